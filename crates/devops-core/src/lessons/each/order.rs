//! The order in which output and results are handed on.

use std::ffi::OsString;

use super::{
    event::{EachEvent, EachOptions, EachOutput, ItemResult},
    held::Held,
};
use crate::process::StdStream;

/// Hands on output as soon as the options let it.
pub(super) struct Order<'a> {
    items: &'a [OsString],
    options: EachOptions,
    held: Held,
    results: Vec<Option<ItemResult>>,
    /// The first item whose command has not ended; the turn is its, where the order is kept.
    next: usize,
}

impl<'a> Order<'a> {
    pub(super) fn new(items: &'a [OsString], options: EachOptions) -> Self {
        Self { items, options, held: Held::default(), results: vec![None; items.len()], next: 0 }
    }

    /// Takes what the command of the item at an index wrote.
    pub(super) fn output(
        &mut self,
        at: usize,
        stream: StdStream,
        bytes: Vec<u8>,
        on_event: &mut dyn FnMut(EachEvent<'_>),
    ) {
        if self.is_live(at) {
            on_event(EachEvent::Output(&self.items[at], stream, bytes));
        } else {
            self.held.push(at, stream, bytes);
        }
    }

    /// Takes the result of the item at an index.
    pub(super) fn finished(
        &mut self,
        at: usize,
        result: ItemResult,
        on_event: &mut dyn FnMut(EachEvent<'_>),
    ) {
        self.results[at] = Some(result);
        if !self.options.keep_order {
            self.hand_on(at, on_event);
            return;
        }
        while self.results.get(self.next).is_some_and(Option::is_some) {
            self.hand_on(self.next, on_event);
            self.next += 1;
        }
        if self.is_live(self.next) {
            self.release(self.next, on_event);
        }
    }

    /// Hands on what commands wrote that did not end by themselves, and returns the results.
    pub(super) fn end(mut self, on_event: &mut dyn FnMut(EachEvent<'_>)) -> Vec<ItemResult> {
        while let Some(at) = self.held.first() {
            self.hand_on(at, on_event);
        }
        self.results.into_iter().flatten().collect()
    }

    fn is_live(&self, at: usize) -> bool {
        let is_turn = !self.options.keep_order || at == self.next;
        is_turn && self.options.output != EachOutput::Grouped
    }

    fn hand_on(&mut self, at: usize, on_event: &mut dyn FnMut(EachEvent<'_>)) {
        self.release(at, on_event);
        if let Some(result) = &self.results[at] {
            on_event(EachEvent::Finished(result));
        }
    }

    fn release(&mut self, at: usize, on_event: &mut dyn FnMut(EachEvent<'_>)) {
        let items = self.items;
        self.held.release(at, &mut |stream, bytes| {
            on_event(EachEvent::Output(&items[at], stream, bytes));
        });
    }
}
