#![expect(unsafe_code, reason = "calls of a C library that is loaded at run time: RFC 2744")]

use std::error::Error as _;
use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libloading::Library;

use super::error::{Error, Status};

const FILE: &str = "libgssapi_krb5.so.2";

/// Bits of the flags of a context (RFC 2744 section 5.19).
const DELEGATE: u32 = 1;
const MUTUAL: u32 = 2;
const REPLAY: u32 = 4;
const SEQUENCE: u32 = 8;
const INTEGRITY: u32 = 32;
/// What is asked for: never [`DELEGATE`].
const WANTED: u32 = MUTUAL | REPLAY | SEQUENCE | INTEGRITY;

const COMPLETE: u32 = 0;
const CONTINUE_NEEDED: u32 = 1;

/// 1.2.840.113554.1.2.2, Kerberos 5; and 1.2.840.113554.1.2.1.4, a name of the form `service@host`.
static KERBEROS: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02");
static HOST_BASED: Oid = Oid::new(b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04");

#[repr(C)]
struct Oid {
    length: u32,
    elements: *const u8,
}

// SAFETY: it points at octets of the program itself, which nobody writes.
unsafe impl Sync for Oid {}

impl Oid {
    #[expect(clippy::cast_possible_truncation, reason = "both have ten octets or fewer")]
    const fn new(elements: &'static [u8]) -> Self {
        Self { length: elements.len() as u32, elements: elements.as_ptr() }
    }
}

/// `gss_buffer_desc`.
#[repr(C)]
struct Buffer {
    length: usize,
    value: *mut c_void,
}

impl Buffer {
    const EMPTY: Self = Self { length: 0, value: null_mut() };

    /// A view for a call that only reads; it must not outlive `octets`.
    const fn lent(octets: &[u8]) -> Self {
        Self { length: octets.len(), value: octets.as_ptr().cast_mut().cast() }
    }
}

type RawName = *mut c_void;
type RawContext = *mut c_void;

type ImportName = unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut RawName) -> u32;
type InitSecContext = unsafe extern "C" fn(
    *mut u32,
    *const c_void,
    *mut RawContext,
    RawName,
    *const Oid,
    u32,
    u32,
    *const c_void,
    *const Buffer,
    *mut *const Oid,
    *mut Buffer,
    *mut u32,
    *mut u32,
) -> u32;
type Wrap = unsafe extern "C" fn(*mut u32, RawContext, c_int, u32, *const Buffer, *mut c_int, *mut Buffer) -> u32;
type Unwrap = unsafe extern "C" fn(*mut u32, RawContext, *const Buffer, *mut Buffer, *mut c_int, *mut u32) -> u32;
type ReleaseBuffer = unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32;
type ReleaseName = unsafe extern "C" fn(*mut u32, *mut RawName) -> u32;
type DeleteSecContext = unsafe extern "C" fn(*mut u32, *mut RawContext, *mut Buffer) -> u32;
type DisplayStatus = unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32;

/// The functions of the library, which stays loaded for as long as the process runs.
#[derive(Debug)]
pub(super) struct Gssapi {
    import_name: ImportName,
    init_sec_context: InitSecContext,
    wrap: Wrap,
    unwrap: Unwrap,
    release_buffer: ReleaseBuffer,
    release_name: ReleaseName,
    delete_sec_context: DeleteSecContext,
    display_status: DisplayStatus,
    _library: Library,
}

/// The library, loaded at the first call. One that is missing may be installed while poplar runs.
pub(super) fn loaded() -> Result<&'static Gssapi, Error> {
    static LOADED: OnceLock<Gssapi> = OnceLock::new();
    if let Some(loaded) = LOADED.get() {
        return Ok(loaded);
    }
    let loaded = load(FILE).map_err(|error| absent(&error))?;
    Ok(LOADED.get_or_init(|| loaded))
}

/// The loader's own sentence, which names the file, is the source.
fn absent(error: &libloading::Error) -> Error {
    Error::NoLibrary(error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

fn load(file: &str) -> Result<Gssapi, libloading::Error> {
    // SAFETY: MIT's library has initialisers that may run at any time and on any thread. Each symbol has the type that
    // RFC 2744 and gssapi.h give it, and is used only while `_library` keeps the library loaded.
    unsafe {
        let library = Library::new(file)?;
        Ok(Gssapi {
            import_name: *library.get::<ImportName>(b"gss_import_name")?,
            init_sec_context: *library.get::<InitSecContext>(b"gss_init_sec_context")?,
            wrap: *library.get::<Wrap>(b"gss_wrap")?,
            unwrap: *library.get::<Unwrap>(b"gss_unwrap")?,
            release_buffer: *library.get::<ReleaseBuffer>(b"gss_release_buffer")?,
            release_name: *library.get::<ReleaseName>(b"gss_release_name")?,
            delete_sec_context: *library.get::<DeleteSecContext>(b"gss_delete_sec_context")?,
            display_status: *library.get::<DisplayStatus>(b"gss_display_status")?,
            _library: library,
        })
    }
}

impl Gssapi {
    /// Takes `service@host` in.
    pub(super) fn name(&'static self, service: &str) -> Result<Name, Status> {
        let mut minor = 0;
        let mut name = Name { library: self, raw: null_mut() };
        // SAFETY: the text outlives the call, which copies it; `raw` is where the library puts a name of its own.
        let major = unsafe {
            (self.import_name)(&raw mut minor, &Buffer::lent(service.as_bytes()), &HOST_BASED, &mut name.raw)
        };
        if major == COMPLETE { Ok(name) } else { Err(self.status(major, minor)) }
    }

    /// A context that does not exist yet: the first [`Handle::step`] makes it.
    pub(super) const fn handle(&'static self) -> Handle {
        Handle { library: self, raw: null_mut() }
    }

    fn status(&'static self, major: u32, minor: u32) -> Status {
        const MAJOR: c_int = 1;
        const MINOR: c_int = 2;
        let said = [(major, MAJOR), (minor, MINOR)].map(|(code, kind)| self.sentences(code, kind));
        let [general, special] = &said;
        let said = if special.is_empty() { general.clone() } else { format!("{general}: {special}") };
        Status { major, minor, said }
    }

    /// All that the library says of one number, without control characters.
    fn sentences(&'static self, code: u32, kind: c_int) -> String {
        const MOST: usize = 8;
        let mut said = Vec::new();
        let mut more = 0;
        for _ in 0..MOST {
            let (mut minor, mut text) = (0, Output::new(self));
            // SAFETY: every pointer is to a value that outlives the call; the library fills `text`, which frees it.
            let major = unsafe {
                (self.display_status)(&raw mut minor, code, kind, &raw const KERBEROS, &raw mut more, &raw mut text.raw)
            };
            if major == COMPLETE {
                said.push(String::from_utf8_lossy(&text.octets()).replace(char::is_control, " "));
            }
            if major != COMPLETE || more == 0 {
                break;
            }
        }
        said.join("; ")
    }
}

/// A buffer that the library fills, and that goes back to it.
struct Output {
    library: &'static Gssapi,
    raw: Buffer,
}

impl Output {
    const fn new(library: &'static Gssapi) -> Self {
        Self { library, raw: Buffer::EMPTY }
    }

    fn octets(&self) -> Vec<u8> {
        if self.raw.value.is_null() {
            return Vec::new();
        }
        // SAFETY: the library filled both fields, and `length` octets at `value` stay until the buffer is released.
        unsafe { std::slice::from_raw_parts(self.raw.value.cast::<u8>(), self.raw.length) }.to_vec()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is empty or was filled by this library, and is released once.
        unsafe { (self.library.release_buffer)(&raw mut minor, &raw mut self.raw) };
    }
}

/// The name of a service, in the library's own form.
#[derive(Debug)]
pub(super) struct Name {
    library: &'static Gssapi,
    raw: RawName,
}

// SAFETY: names and contexts of MIT's library belong to no thread. Neither value can be copied, and every call that
// changes a context takes it `&mut`, so that no two threads use one at once.
unsafe impl Send for Name {}
// SAFETY: as above.
unsafe impl Send for Handle {}

impl Drop for Name {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is null, which is allowed, or came from `gss_import_name`, and is released once.
        unsafe { (self.library.release_name)(&raw mut minor, &raw mut self.raw) };
    }
}

/// What a step of the opening brought.
#[derive(Debug)]
pub(super) struct Step {
    /// To be sent to the server.
    pub(super) token: Vec<u8>,
    pub(super) complete: bool,
    pub(super) mutual: bool,
    pub(super) integrity: bool,
    pub(super) delegated: bool,
}

/// A security context.
#[derive(Debug)]
pub(super) struct Handle {
    library: &'static Gssapi,
    raw: RawContext,
}

impl Handle {
    pub(super) fn step(&mut self, name: &Name, token: &[u8]) -> Result<Step, Status> {
        let (mut minor, mut flags, mut output) = (0, 0, Output::new(self.library));
        let input = Buffer::lent(token);
        // No credentials of ours, no channel bindings, the usual life time; the mechanism and the life time that came
        // out of it interest nobody.
        // SAFETY: `raw` is null or the context of the step before; every other pointer is null where that is allowed,
        // or to a value that outlives the call.
        let major = unsafe {
            (self.library.init_sec_context)(
                &raw mut minor,
                null(),
                &raw mut self.raw,
                name.raw,
                &raw const KERBEROS,
                WANTED,
                0,
                null(),
                if token.is_empty() { null() } else { &raw const input },
                null_mut(),
                &raw mut output.raw,
                &raw mut flags,
                null_mut(),
            )
        };
        if !matches!(major, COMPLETE | CONTINUE_NEEDED) {
            return Err(self.library.status(major, minor));
        }
        let has = |flag| flags & flag != 0;
        Ok(Step {
            token: output.octets(),
            complete: major == COMPLETE,
            mutual: has(MUTUAL),
            integrity: has(INTEGRITY),
            delegated: has(DELEGATE),
        })
    }

    pub(super) fn wrap(&mut self, octets: &[u8]) -> Result<Vec<u8>, Status> {
        let (mut minor, mut hidden, mut output) = (0, 0, Output::new(self.library));
        let input = Buffer::lent(octets);
        // SAFETY: the context is one of this library, or null, which it refuses; the pointers outlive the call.
        let major = unsafe {
            (self.library.wrap)(&raw mut minor, self.raw, 0, 0, &raw const input, &raw mut hidden, &raw mut output.raw)
        };
        self.whole(major, minor, &output)
    }

    pub(super) fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, Status> {
        let (mut minor, mut hidden, mut quality) = (0, 0, 0);
        let (input, mut output) = (Buffer::lent(token), Output::new(self.library));
        // SAFETY: as in `wrap`.
        let major = unsafe {
            (self.library.unwrap)(
                &raw mut minor,
                self.raw,
                &raw const input,
                &raw mut output.raw,
                &raw mut hidden,
                &raw mut quality,
            )
        };
        self.whole(major, minor, &output)
    }

    /// A token that was seen before, or is out of order, counts as a failure too.
    fn whole(&self, major: u32, minor: u32, output: &Output) -> Result<Vec<u8>, Status> {
        if major == COMPLETE { Ok(output.octets()) } else { Err(self.library.status(major, minor)) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut minor = 0;
        // SAFETY: it is null, which is allowed, or a context of this library, and is deleted once.
        unsafe { (self.library.delete_sec_context)(&raw mut minor, &raw mut self.raw, null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_absent_is_named_with_its_package() {
        let error = absent(&load("libgssapi_absent.so.2").unwrap_err());
        let shown = error.to_string();
        assert!(shown.contains("libgssapi_absent.so.2") && shown.contains("libgssapi-krb5-2"), "{shown}");
        assert!(!error.is_transient());
    }
}
