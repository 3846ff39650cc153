mod directory;
mod draft;
mod fork;
mod limits;
mod lock;
mod open;
