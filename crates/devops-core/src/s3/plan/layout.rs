//! The parts of one object: cut evenly and sent, or composed of another object where that has them.

use super::{
    parts::{Part, PartPlan},
    server_side_copy::Composition,
};
use crate::s3::object::uri::S3Uri;

/// How an object is cut.
pub(crate) enum Layout {
    Even(PartPlan),
    Composed(Composition),
}

/// The source of a part that is copied inside the store.
#[derive(Clone, Copy)]
pub(crate) struct CopySource<'a> {
    pub(crate) uri: &'a S3Uri,
    pub(crate) etag: &'a str,
    pub(crate) offset: u64,
}

/// A part; one that is not sent with its source.
pub(crate) type PlannedPart<'a> = (Part, Option<CopySource<'a>>);

impl Layout {
    /// Returns the parts in order.
    pub(crate) fn pieces(&self) -> Vec<PlannedPart<'_>> {
        match self {
            Self::Even(plan) => plan.parts().map(|part| (part, None)).collect(),
            Self::Composed(composition) => {
                let source =
                    |offset| CopySource { uri: &composition.base, etag: &composition.etag, offset };
                composition.parts().map(|(part, from)| (part, from.map(source))).collect()
            }
        }
    }

    pub(crate) fn composition(&self) -> Option<&Composition> {
        match self {
            Self::Even(_) => None,
            Self::Composed(composition) => Some(composition),
        }
    }

    pub(crate) fn is_composed(&self) -> bool {
        self.composition().is_some()
    }
}
