mod directory;
mod draft;
mod fork;
mod full;
mod lock;
mod open;
