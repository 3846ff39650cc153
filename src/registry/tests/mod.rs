mod directory;
mod header;
mod lease;
mod name;
mod process;
