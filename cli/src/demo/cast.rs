//! The demo's processes, from their start to their end.

use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::Role;
use super::life::{Life, Lives};
use crate::args::{DemoArgs, Place};
use crate::outcome::Failure;

/// Starts processes, kills them, and sees them end. Dropping it leaves none behind.
pub struct Cast {
    program: PathBuf,
    place: Place,
    seconds: u64,
    rate: u64,
    /// What is known of each.
    pub lives: Lives,
    /// The same processes, in the same order.
    children: Vec<Child>,
}

impl Cast {
    /// Nobody yet.
    pub fn new(place: &Place, args: &DemoArgs) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|e| Failure::io("cannot find this program to start it again", &e))?;
        let place = Place {
            bus: place.bus.clone(),
            dir: place.dir.clone(),
        };
        let (seconds, rate) = (args.seconds, args.rate);
        Ok(Self {
            program,
            place,
            seconds,
            rate,
            lives: Lives::default(),
            children: Vec::new(),
        })
    }

    /// Starts a process that reads from sequence `from` on.
    pub fn start(&mut self, role: Role, from: u64) -> Result<(), Failure> {
        let number = 1 + self.lives.of(role).count() as u32;
        let child = self
            .command(role, number, from)
            .spawn()
            .map_err(|e| Failure::io(format_args!("cannot start {}", role.name()), &e))?;
        self.lives.0.push(Life::new(role, number, child.id(), from));
        self.children.push(child);
        Ok(())
    }

    /// Its stdin stays open as long as this process lives.
    fn command(&self, role: Role, life: u32, from: u64) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("demo-role");
        if let Some(dir) = &self.place.dir {
            command.arg("--dir").arg(dir);
        }
        if let Some(bus) = &self.place.bus {
            command.arg("--bus").arg(bus);
        }
        for (flag, value) in [
            ("--role", role as u64),
            ("--life", life.into()),
            ("--from", from),
            ("--seconds", self.seconds),
            ("--rate", self.rate),
        ] {
            command.arg(flag).arg(value.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command
    }

    /// Kills the last life of `role` with SIGKILL, and waits until it is gone.
    pub fn kill(&mut self, role: Role) -> io::Result<()> {
        let mut processes = self.lives.0.iter_mut().zip(&mut self.children);
        if let Some((life, child)) = processes.rfind(|(life, _)| life.role == role) {
            child.kill()?;
            life.killed = true;
            life.ended = Some(child.wait()?);
        }
        Ok(())
    }

    /// Looks who has ended.
    pub fn reap(&mut self) -> io::Result<()> {
        for (life, child) in self.lives.0.iter_mut().zip(&mut self.children) {
            if !life.is_over() {
                life.ended = child.try_wait()?;
            }
        }
        Ok(())
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for (life, child) in self.lives.0.iter().zip(&mut self.children) {
            if !life.is_over() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}
