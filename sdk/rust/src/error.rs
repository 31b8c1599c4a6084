use std::{fmt, io};

/// What a host function, or the JSON of a peer, failed with: a kind to decide by, and a text for people.
///
/// It is also what a plugin may return, as any other error: `Err("no stock".into())` does as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// Why something failed, as `spec/abi.md` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nobody reads the output on, or the input is gone with its sender.
    Closed,
    /// There is no such thing.
    NotFound,
    /// Over a limit of size.
    TooLarge,
    /// Not now: the head of an answer after its body, or a body where there is none.
    Order,
    /// The plugin may not.
    Denied,
    /// The other end could not be reached, or broke off.
    Failed,
    /// The time of the call is over; the plugin will be ended soon.
    Timeout,
    /// An argument makes no sense.
    Invalid,
    /// Too many are open.
    Busy,
    /// The entry of the map has another revision.
    Conflict,
    /// The text is not JSON.
    Json,
    /// An authorizer's caller has shown nothing to know them by.
    Unauthorized,
    /// There is no Postern host outside of WebAssembly.
    NoHost,
    /// Anything else.
    Other,
}

impl Error {
    /// An error of a kind, with a text for the log. No client sees it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    /// Returned by an authorizer, it has the client answered with 401.
    pub fn unauthorized() -> Error {
        Error::new(ErrorKind::Unauthorized, "Unauthorized")
    }

    /// Why it failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Bodies are [`io::Read`] and [`io::Write`], whose errors hold this one: [`From<io::Error>`] gets it back.
impl From<Error> for io::Error {
    fn from(e: Error) -> io::Error {
        let kind = match e.kind {
            ErrorKind::Closed => io::ErrorKind::BrokenPipe,
            ErrorKind::NotFound => io::ErrorKind::NotFound,
            ErrorKind::Denied => io::ErrorKind::PermissionDenied,
            ErrorKind::Failed => io::ErrorKind::ConnectionAborted,
            ErrorKind::Timeout => io::ErrorKind::TimedOut,
            ErrorKind::Invalid => io::ErrorKind::InvalidInput,
            ErrorKind::Json => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, e)
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Error {
        match e.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(own) => own.clone(),
            None => Error::new(ErrorKind::Other, e.to_string()),
        }
    }
}
