//! How a bus is opened: where it is, and who may use it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use super::{Bus, BusInner, error::OpenError};
use crate::{
    registry::{
        Access, AccessOptions, BusDirectory, BusName, DirectoryError, Registry, RegistryError,
        list_buses, remove_bus,
    },
    segment::{SegmentError, ownership},
};

/// Where a bus is and who may use it; made by [`Bus::builder`].
///
/// ```
/// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
/// # let dir = &bus.dir;
/// use ringbus::{Access, Bus, Grant};
///
/// let bus = Bus::builder()
///     .dir(dir) // shared with other containers
///     .name("plant")
///     .access(Access::of_group(Grant::Observe)) // this user publishes, the group reads
///     .open()?;
/// assert_eq!(bus.path(), dir.join("plant"));
/// # Ok::<(), ringbus::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `open`"]
pub struct BusBuilder {
    dir: Option<PathBuf>,
    name: Option<String>,
    access: AccessOptions,
    create: bool,
}

impl BusBuilder {
    pub(super) fn new() -> Self {
        Self {
            dir: None,
            name: None,
            access: AccessOptions::default(),
            create: true,
        }
    }

    /// Puts the bus into this directory, which holds buses, instead of `$RINGBUS_DIR` or the
    /// default. Processes in other containers join by sharing it.
    ///
    /// It is made if it does not exist, unless [`create`](Self::create) says otherwise.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).open()?;
    /// assert_eq!(bus.path(), dir.join("default"));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.dir = Some(path.into());
        self
    }

    /// Names the bus: 1 to 64 letters, digits, `.`, `_` and `-`, and not a `.` first; `default`
    /// unless set. The name is checked by [`open`](Self::open).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).name("line-2").open()?;
    /// assert_eq!(bus.name(), "line-2");
    /// assert!(ringbus::Bus::builder().dir(dir).name("line/2").open().is_err());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Decides who may use the bus besides this user, should it be created: nobody, by default.
    /// Topics that are created through this handle get the same, unless their own say otherwise.
    ///
    /// On a bus that exists, no more can be had than it grants. Without this, topics get what the bus
    /// grants. The umask does not matter.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Access, Bus, Grant};
    ///
    /// let access = Access::of_group(Grant::Subscribe);
    /// let bus = Bus::builder().dir(dir).name("shared").access(access).open()?;
    /// # assert!(cfg!(not(unix)) || bus.access().group == Grant::Subscribe);
    /// let topic = bus.topic("quotes").create()?;
    /// # let topic = topic.info();
    /// # assert!(cfg!(not(unix)) || topic.access.group == Grant::Subscribe);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn access(mut self, access: Access) -> Self {
        self.access = AccessOptions::of(access);
        self
    }

    /// The same by a mode, such as `0o640`: see [`Access::from_mode`]. It is checked by
    /// [`open`](Self::open).
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Bus, OpenError};
    ///
    /// let bus = Bus::builder().dir(dir).name("shared").mode(0o660).open()?;
    /// # assert!(cfg!(not(unix)) || bus.access().mode() == 0o660);
    /// let refused = Bus::builder().dir(dir).name("odd").mode(0o620).open();
    /// assert!(matches!(refused, Err(OpenError::Access(_))));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.access.mode = Some(mode);
        self
    }

    /// Decides whose group is meant, by its number; the user's own by default.
    ///
    /// A user can give files to a group of which it is a member.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use std::os::unix::fs::MetadataExt;
    ///
    /// # let gid = bus.path().metadata().expect("a directory").gid();
    /// let bus = ringbus::Bus::builder().dir(dir).name("team").mode(0o660).group(gid).open()?;
    /// assert_eq!(bus.path().metadata().expect("a directory").gid(), gid);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn group(mut self, gid: u32) -> Self {
        self.access.gid = Some(gid);
        self
    }

    /// Decides whether the bus is created if it does not exist; `true` by default.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::{Bus, DirectoryError, OpenError};
    ///
    /// let absent = Bus::builder().dir(dir).name("absent").create(false).open();
    /// assert!(matches!(absent, Err(OpenError::Directory(DirectoryError::NoBus { .. }))));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    pub fn create(mut self, yes: bool) -> Self {
        self.create = yes;
        self
    }

    /// The names of the buses that exist in the directory, in order; none if there is no directory.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// use ringbus::Bus;
    ///
    /// Bus::builder().dir(dir).name("plant").open()?;
    /// Bus::builder().dir(dir).name("shop").open()?;
    /// let names = Bus::builder().dir(dir).names()?;
    /// assert!(names.contains(&"plant".to_owned()) && names.contains(&"shop".to_owned()));
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError::Directory`] where it cannot be read, or belongs to another user.
    pub fn names(&self) -> Result<Vec<String>, OpenError> {
        let names = list_buses(self.dir.as_deref())?;
        Ok(names.iter().map(|name| name.as_str().to_owned()).collect())
    }

    /// Removes the bus with all its topics, whoever uses them. Those who have them open go on among
    /// themselves; whoever opens the bus next gets a new one.
    ///
    /// With the portable backend only this, and not the removal of the directory, frees the memory.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = bus.dir.clone();
    /// let builder = ringbus::Bus::builder().dir(dir).name("doomed");
    /// builder.clone().open()?.topic("orders").create()?;
    /// builder.clone().destroy()?;
    /// assert_eq!(builder.names()?, ["default"]);
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`] where there is no such bus, what is in its directory that is no bus's, or which file
    /// could not be removed; what was removed before that one stays so.
    pub fn destroy(self) -> Result<(), OpenError> {
        let name = self
            .name
            .as_deref()
            .map_or(Ok(BusName::default()), BusName::new)?;
        Ok(remove_bus(self.dir.as_deref(), &name)?)
    }

    /// Opens the bus; creates it unless [`create`](Self::create) said not to.
    ///
    /// ```
    /// # let bus = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scratch/doc_bus.rs"));
    /// # let dir = &bus.dir;
    /// let bus = ringbus::Bus::builder().dir(dir).name("plant").open()?;
    /// assert!(bus.topics()?.is_empty());
    /// # Ok::<(), ringbus::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`] says which file could not be used and why: [`Name`](OpenError::Name) for a
    /// name that no bus has, [`Directory`](OpenError::Directory) for a place that cannot be found,
    /// made or trusted, [`Registry`](OpenError::Registry) for a bus of another release or
    /// architecture.
    pub fn open(self) -> Result<Bus, OpenError> {
        let name = self
            .name
            .as_deref()
            .map_or(Ok(BusName::default()), BusName::new)?;
        let root = self.dir.as_deref();
        let asked = self.access.resolve(Access::PRIVATE)?;
        let directory = match self.create {
            true => BusDirectory::open_or_create(root, &name, asked)?,
            false => BusDirectory::open(root, &name)?,
        };
        let registry = match self.create {
            true => Registry::open_or_create(directory.path(), asked)?,
            false => Registry::open(directory.path()).map_err(|e| no_bus(&directory, e))?,
        };
        let found = access_of(&directory, &registry).unwrap_or(asked);
        if self.access.mode.is_some() && !asked.is_within(found) {
            let path = directory.path().to_owned();
            return Err(OpenError::Closed { path, asked, found });
        }
        let (access, topics_access) = (found, self.access.resolve(found)?);
        Ok(Bus {
            inner: Arc::new(BusInner {
                name,
                directory,
                access,
                topics_access,
                registry,
                waiter: Mutex::default(),
                #[cfg(target_os = "linux")]
                lookout: Mutex::default(),
            }),
        })
    }
}

/// Without its registry, a directory is no bus, or none yet.
fn no_bus(directory: &BusDirectory, error: RegistryError) -> OpenError {
    match error {
        RegistryError::Segment(SegmentError::NotFound { .. }) => {
            let path = directory.path().to_owned();
            DirectoryError::NoBus { path }.into()
        }
        error => error.into(),
    }
}

/// What the files of a bus grant; `None` where files have no modes.
fn access_of(directory: &BusDirectory, registry: &Registry) -> Option<Access> {
    let topics = ownership(&directory.topics()).ok()??;
    Some(Access::of_files(topics, registry.ownership()))
}
