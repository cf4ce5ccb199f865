//! Finds whatever looks like the beginning of a part, without believing any boundary: a line that begins with two
//! hyphens, and header lines about content.

use std::ops::Range;

use super::fields::{Declared, Field, name_length};
use super::lines::{Line, is_blank, lines};

/// Octets that some reader may take for a part.
#[derive(Debug)]
pub(super) struct Entity {
    /// Of the first header line, or of the body where there is none.
    pub(super) start: usize,
    pub(super) body: Range<usize>,
    /// Whether it stands where parts do: at the beginning of everything or behind a line like a boundary.
    pub(super) is_placed: bool,
    /// Whether its headers say anything about content.
    pub(super) has_content_headers: bool,
    pub(super) declared: Declared,
}

impl Entity {
    /// Whether its body can be read in another way than as a piece of what it stands in. `is_part`: it is read as a part
    /// already, as its headers say.
    pub(super) const fn is_readable(&self, is_part: bool) -> bool {
        let coding = self.declared.coding;
        let is_plain_container = self.declared.is_container() && coding.is_sure && !coding.base64 && !coding.quoted;
        let is_read = is_part && coding.is_sure;
        !(is_read || self.body.start == 0 || self.body.start >= self.body.end || is_plain_container)
    }
}

/// No more bodies are tried behind one block of headers.
const MOST_BODIES: u8 = 4;
/// More fields than this are not looked at in one block; those that tell how to read it are, up to as many again.
const MOST_FIELDS: usize = 2000;
/// Entities beyond this are not looked at.
const MOST: usize = 20_000;

#[derive(Debug)]
pub(super) struct Entities {
    /// In the order their bodies begin.
    pub(super) found: Vec<Entity>,
    /// There are more of them, or of fields that tell how to read one, than were looked at.
    pub(super) is_cut: bool,
}

pub(super) fn entities(octets: &[u8]) -> Entities {
    let first = Some(Block::new(0, true, true));
    let mut finder = Finder { octets, block: first, found: Vec::new(), is_cut: false };
    for line in lines(octets) {
        finder.line(line);
        if finder.found.len() >= MOST && finder.is_cut {
            break;
        }
    }
    finder.close(octets.len());
    Entities { found: finder.found, is_cut: finder.is_cut }
}

#[derive(Debug)]
struct Block {
    start: usize,
    is_placed: bool,
    is_first: bool,
    /// How many bodies may begin behind it: to some readers at the first blank or strange line, to others later.
    bodies: u8,
    fields: Vec<(Range<usize>, Range<usize>)>,
    /// Whether lines that begin with a blank belong to the last of them: not behind one that was left out.
    is_folding: bool,
}

impl Block {
    const fn new(start: usize, is_placed: bool, is_first: bool) -> Self {
        Self { start, is_placed, is_first, bodies: 0, fields: Vec::new(), is_folding: true }
    }
}

struct Finder<'o> {
    octets: &'o [u8],
    block: Option<Block>,
    found: Vec<Entity>,
    is_cut: bool,
}

impl Finder<'_> {
    fn line(&mut self, line: Line<'_>) {
        if is_dashed(line.trimmed()) {
            self.close(line.start);
            self.block = Some(Block::new(line.next, true, false));
            return;
        }
        let Some(mut block) = self.block.take() else {
            if name_length(line.text).is_some() {
                let mut block = Block::new(line.start, false, false);
                self.field(&mut block, line);
                self.block = Some(block);
            }
            return;
        };
        if line.is_blank() && block.fields.is_empty() && block.is_first {
            block.start = line.next;
            self.block = Some(block);
        } else if line.text.is_empty() {
            self.entity(&mut block, line.next);
        } else if line.is_blank() {
            self.entity(&mut block, line.next);
            self.keep(block);
        } else if line.text.first().copied().is_some_and(is_blank) && !block.fields.is_empty() {
            if let Some((_, value)) = block.fields.last_mut().filter(|_| block.is_folding) {
                value.end = line.start + line.text.len();
            }
            self.block = Some(block);
        } else if name_length(line.trimmed()).is_some() {
            self.field(&mut block, line);
            self.block = Some(block);
        } else {
            self.junk(block, line);
        }
    }

    fn field(&mut self, block: &mut Block, line: Line<'_>) {
        let range = line.range();
        let Some(colon) = name_length(&self.octets[range.clone()]) else { return };
        let name = range.start..range.start + colon;
        let value = range.start + colon + 1..line.start + line.text.len();
        let field = Field { name: &self.octets[name.clone()], value: &[] };
        let matters = field.is("content-type") || field.is("content-transfer-encoding");
        block.is_folding = block.fields.len() < MOST_FIELDS || matters && block.fields.len() < 2 * MOST_FIELDS;
        if block.is_folding {
            block.fields.push((name, value));
        } else {
            self.is_cut |= matters;
        }
    }

    /// A line that is no header: to some readers the body begins here, others skip it.
    fn junk(&mut self, mut block: Block, line: Line<'_>) {
        if self.has_content(&block) {
            self.entity(&mut block, line.start);
            self.keep(block);
        } else if block.is_first {
            block.bodies += 1;
            self.keep(block);
        }
    }

    fn keep(&mut self, block: Block) {
        self.block = Some(block).filter(|block| block.bodies < MOST_BODIES);
    }

    fn has_content(&self, block: &Block) -> bool {
        let octets = self.octets;
        let is_content = |name: &[u8]| name.len() > 8 && name[..8].eq_ignore_ascii_case(b"content-");
        block.fields.iter().any(|(name, _)| is_content(&octets[name.clone()]))
    }

    fn entity(&mut self, block: &mut Block, body: usize) {
        block.bodies += 1;
        let has_content = self.has_content(block);
        if !(block.is_placed || has_content) {
            return;
        }
        if self.found.len() >= MOST {
            self.is_cut = true;
            return;
        }
        let octets = self.octets;
        let field = |(name, value): &(Range<usize>, Range<usize>)| Field {
            name: &octets[name.clone()],
            value: &octets[value.clone()],
        };
        let fields: Vec<Field<'_>> = block.fields.iter().map(field).collect();
        self.found.push(Entity {
            start: block.start,
            body: body..octets.len(),
            is_placed: block.is_placed,
            has_content_headers: has_content,
            declared: Declared::of(&fields),
        });
    }

    /// Ends the bodies that have not ended yet: at a line like a boundary, or with everything.
    fn close(&mut self, end: usize) {
        if let Some(mut block) = self.block.take()
            && !block.fields.is_empty()
            && !block.is_first
        {
            self.entity(&mut block, end);
        }
        let octets = self.octets;
        for entity in self.found.iter_mut().rev().take_while(|entity| entity.body.end == octets.len()) {
            let body = &octets[entity.body.start.min(end)..end];
            let body = body.strip_suffix(b"\n").unwrap_or(body);
            let body = body.strip_suffix(b"\r").unwrap_or(body);
            entity.body.end = entity.body.start.min(end) + body.len();
        }
    }
}

/// Whether a line may be a boundary to somebody. What people put between texts is none: a signature's mark, rules of
/// hyphens, "-----Original Message-----".
fn is_dashed(line: &[u8]) -> bool {
    let Some(name) = line.strip_prefix(b"--") else { return false };
    let is_rule = name.iter().all(|octet| matches!(octet, b'-' | b' ' | b'=' | b'_' | b'*' | b'>'));
    let is_title = name.starts_with(b"--") && name.ends_with(b"---");
    !is_rule && !is_title
}
