//! Something shown again and again: redrawn in place on a terminal, printed on after another elsewhere.

use std::io::{self, IsTerminal, Write};

/// Stdout, as a place for pictures.
pub struct Screen {
    terminal: bool,
    /// How to get to where the next picture begins.
    place: Place,
}

enum Place {
    /// The top of the terminal.
    Top,
    /// So many lines up: over the last picture, if there is one.
    Above(usize),
}

impl Place {
    /// What moves the cursor there.
    fn start(&self) -> String {
        match self {
            Self::Top => "\x1b[H".to_owned(),
            Self::Above(0) => String::new(),
            Self::Above(lines) => format!("\x1b[{lines}A"),
        }
    }
}

impl Screen {
    /// Draws where the cursor is now. What is no terminal only gets more and more pictures.
    pub fn in_place() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            place: Place::Above(0),
        }
    }

    /// Takes the whole terminal.
    pub fn whole() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            place: Place::Top,
        }
    }

    /// Whether pictures are drawn over each other.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Shows `picture`, whole lines, instead of the last one.
    pub fn draw(&mut self, picture: &str) -> io::Result<()> {
        if !self.terminal {
            return self.put(picture);
        }
        let frame = frame(picture, &self.place);
        if let Place::Above(lines) = &mut self.place {
            *lines = picture.lines().count();
        }
        self.put(&frame)
    }

    /// Says `words`, whole lines, in the place of the last picture. They stay; the next picture goes
    /// below them.
    pub fn say(&mut self, words: &str) -> io::Result<()> {
        if self.terminal {
            self.put(&format!("{}\x1b[J", self.place.start()))?;
        }
        self.settle();
        self.put(words)
    }

    /// Leaves the last picture standing; what comes next goes below it.
    pub fn settle(&mut self) {
        self.place = Place::Above(0);
    }

    fn put(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// What draws `picture`, and clears what is left below: no wrapping meanwhile, since a wrapped line
/// counts as two and the next picture would miss its place.
fn frame(picture: &str, place: &Place) -> String {
    let mut frame = format!("\x1b[?7l{}", place.start());
    for line in picture.lines() {
        frame += &format!("\r{line}\x1b[K\n");
    }
    frame + "\x1b[J\x1b[?7h"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_picture_goes_over_the_first() {
        assert_eq!(
            frame("a\n", &Place::Above(0)),
            "\x1b[?7l\ra\x1b[K\n\x1b[J\x1b[?7h"
        );
        assert!(frame("a\nb\n", &Place::Above(2)).starts_with("\x1b[?7l\x1b[2A\ra"));
        assert!(frame("a\nb\n", &Place::Top).starts_with("\x1b[?7l\x1b[H\ra"));
    }
}
