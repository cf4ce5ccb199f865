//! A reader for each format: octets into the words that a person would read. Knows nothing about processes; what a hostile
//! document costs is bounded by [`Reading`]'s budgets and, where a library does not ask, by the process around it.

mod archive;
mod html;
mod lines;
mod mail;
mod office;
mod ole;
mod package;
mod pdf;
mod plain;
mod reading;
mod rtf;
mod sheet;
mod tnef;
mod xml;
mod zip;

use super::{Extracted, Format, ReadLimits};

pub(super) use plain::wide_text;
pub(super) use reading::Reading;
use reading::Trouble;

/// Reads a document in this very process: for tests, and for fuzzing. Nothing but `limits` holds a reader back, and it may
/// panic where the worker would catch it.
pub fn read(format: Format, octets: &[u8], limits: &ReadLimits) -> Extracted {
    let mut reading = Reading::new(limits);
    let ended = reading.document(format, octets);
    reading.finish(ended)
}

/// By the reader of its format.
fn dispatch(format: Format, octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    match format {
        Format::Pdf => pdf::read(octets, reading),
        Format::Docx
        | Format::Xlsx
        | Format::Pptx
        | Format::Odt
        | Format::Ods
        | Format::Odp
        | Format::Epub
        | Format::Zip => archive::zipped(octets, reading),
        Format::Doc | Format::Xls | Format::Ppt | Format::Msg => ole::read(octets, reading),
        Format::Rtf => rtf::read(octets, reading),
        Format::Html => html::read(octets, reading),
        Format::Xml => xml::read(octets, reading),
        Format::Text => plain::read(octets, reading),
        Format::Ics | Format::Vcf => lines::read(octets, reading),
        Format::Eml => mail::read(octets, reading),
        Format::Tnef => tnef::read(octets, reading),
        Format::Signed => mail::signed(octets, reading),
        Format::Gzip => archive::gzipped(octets, reading),
        Format::Tar => archive::tarred(octets, reading),
    }
}
