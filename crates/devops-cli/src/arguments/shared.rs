//! The flags that every tool has.

use std::ffi::OsString;

use clap::{Arg, ArgAction, builder::EnumValueParser};

use crate::{
    layers::flags::TRUST_FLAG,
    settings::{ColorPolicy, LogFormat},
};

/// Returns the flags that every tool has.
pub(super) fn shared_flags() -> [Arg; 8] {
    let heading = "Common options";
    [
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print results as JSON, one object a line, and a fatal error as one object"),
        Arg::new("quiet")
            .short('q')
            .long("quiet")
            .action(ArgAction::SetTrue)
            .help("Print results, warnings and errors only"),
        Arg::new("verbose")
            .short('v')
            .long("verbose")
            .action(ArgAction::Count)
            .help("Log more (-v info, -vv debug, -vvv trace)"),
        Arg::new("color")
            .long("color")
            .value_name("WHEN")
            .value_parser(EnumValueParser::<ColorPolicy>::new())
            .default_value("auto")
            .help("Color the output"),
        Arg::new("no-progress")
            .long("no-progress")
            .action(ArgAction::SetTrue)
            .help("Show no progress"),
        Arg::new("log-format")
            .long("log-format")
            .value_name("FORMAT")
            .value_parser(EnumValueParser::<LogFormat>::new())
            .default_value("text")
            .help("Write log lines as text or as JSON"),
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(OsString))
            .help("Read this config file alone"),
        Arg::new(TRUST_FLAG)
            .long(TRUST_FLAG)
            .value_name("FILE")
            .value_parser(clap::value_parser!(OsString))
            .help("Let this project file set what only your own may, for this run"),
    ]
    .map(|flag| flag.global(true).help_heading(heading).display_order(900))
}
