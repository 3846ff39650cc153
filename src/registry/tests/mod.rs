mod access;
mod directory;
mod header;
mod lease;
mod name;
mod pattern;
mod process;
