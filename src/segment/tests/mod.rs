mod directory;
mod draft;
mod fork;
mod limits;
mod lock;
mod open;
#[cfg(feature = "portable")]
mod portable;
