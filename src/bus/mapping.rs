//! A topic's segments, mapped: the only place where the ring's views meet mapped memory.

use std::{path::Path, sync::Arc};

use super::error::{JoinError, OpenError, TopicError};
use crate::{
    registry::DirectoryError,
    ring::{
        format::format,
        header::{HEADER_BYTES, HeaderError, RingDescription},
        view::{CellsView, RingView},
    },
    segment::{Draft, OpenFile, Pages, Rights, Segment, SegmentError},
};

/// A mapped ring and what its header says.
pub(super) struct RingMap {
    segment: Segment,
    description: Arc<RingDescription>,
}

/// The mapped cursors of a ring.
pub(super) struct CursorsMap {
    segment: Segment,
    description: Arc<RingDescription>,
}

/// Why a topic's segment could not be mapped.
pub(super) enum MapError {
    Header {
        path: std::path::PathBuf,
        source: HeaderError,
    },
    Segment(SegmentError),
}

impl RingMap {
    /// Opens the ring at `path` and parses its header. The schema comes along.
    pub(super) fn open(path: &Path, rights: Rights) -> Result<(Self, Vec<u8>), MapError> {
        let file = Segment::open(path, rights)?;
        let page = read_page(&file, path)?;
        let description = RingDescription::from_page(&page, file.len())
            .map_err(|source| MapError::header(path, source))?;
        let mut schema = vec![0; description.geometry.shape.schema_bytes as usize];
        let read = match schema.is_empty() {
            true => 0,
            false => file.read_at(description.geometry.schema, &mut schema)?,
        };
        description
            .check_schema(&schema[..read])
            .map_err(|source| MapError::header(path, source))?;
        let pages = Pages::huge_if(description.huge_pages);
        let segment = file.map_in(pages, description.geometry.ring_bytes as usize)?;
        Ok((
            Self {
                segment,
                description: Arc::new(description),
            },
            schema,
        ))
    }

    /// What the header says.
    pub(super) fn description(&self) -> &Arc<RingDescription> {
        &self.description
    }

    /// The segment itself.
    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The ring, for as long as the map is borrowed.
    pub(super) fn view(&self) -> RingView<'_> {
        // SAFETY: R1: the segment is mapped while `self` lives (S1) with the length that its
        // geometry asks for (`open`), and was formatted before it became visible (`create`).
        unsafe { RingView::new(self.segment.base(), self.description.geometry) }
    }

    /// The ring for a handle that owns an `Arc` of this map.
    ///
    /// # Safety
    ///
    /// The view is not used after the last `Arc` of this map that the caller holds is dropped.
    pub(super) unsafe fn view_for_owner(self: &Arc<Self>) -> RingView<'static> {
        // SAFETY: as in `view`; the caller keeps the map alive.
        unsafe { RingView::new(self.segment.base(), self.description.geometry) }
    }
}

impl CursorsMap {
    /// Opens the cursors that belong to the ring described by `description`.
    pub(super) fn open(
        path: &Path,
        rights: Rights,
        description: &Arc<RingDescription>,
    ) -> Result<Self, MapError> {
        let file = Segment::open(path, rights)?;
        let page = read_page(&file, path)?;
        description
            .check_cursors_page(&page, file.len())
            .map_err(|source| MapError::header(path, source))?;
        let segment = file.map(description.geometry.cursors_bytes as usize)?;
        Ok(Self {
            segment,
            description: Arc::clone(description),
        })
    }

    /// The segment itself.
    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// The cells, for as long as the map is borrowed.
    pub(super) fn cells(&self) -> CellsView<'_> {
        // SAFETY: R2: mapped while `self` lives (S1), with the length that the geometry asks for.
        unsafe { CellsView::new(self.segment.base(), &self.description.geometry) }
    }

    /// The cells for a handle that owns an `Arc` of this map.
    ///
    /// # Safety
    ///
    /// The view is not used after the last `Arc` of this map that the caller holds is dropped.
    pub(super) unsafe fn cells_for_owner(self: &Arc<Self>) -> CellsView<'static> {
        // SAFETY: as in `cells`; the caller keeps the map alive.
        unsafe { CellsView::new(self.segment.base(), &self.description.geometry) }
    }
}

/// Fills the draft of a ring: header, schema and the words of an empty ring.
pub(super) fn fill_ring(
    draft: &Draft,
    description: &RingDescription,
    schema: &[u8],
) -> Result<(), SegmentError> {
    draft.write_at(0, &description.to_page())?;
    draft.write_at(description.geometry.schema, schema)?;
    // SAFETY: R1: the draft is mapped, page-aligned, `ring_bytes` long and all zero, and all that
    // `format` writes was reserved.
    let ring = unsafe { RingView::new(draft.base(), description.geometry) };
    format(&ring);
    match description.huge_pages {
        true => draft.use_huge_pages(description.geometry.reserved_at_creation()),
        false => Ok(()),
    }
}

fn read_page(file: &OpenFile, path: &Path) -> Result<[u8; HEADER_BYTES], MapError> {
    let mut page = [0; HEADER_BYTES];
    let found = file.read_at(0, &mut page)? as u64;
    if found < HEADER_BYTES as u64 {
        let needed = HEADER_BYTES as u64;
        return Err(MapError::header(
            path,
            HeaderError::Truncated { found, needed },
        ));
    }
    Ok(page)
}

/// What was opened; `None` for what is no topic, or not this process's to read.
///
/// # Errors
///
/// Where the process has too little of something to tell.
pub(super) fn if_readable<T>(opened: Result<T, MapError>) -> Result<Option<T>, OpenError> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(MapError::Segment(error)) if error.is_shortage() => {
            Err(DirectoryError::Segment(error).into())
        }
        Err(_) => Ok(None),
    }
}

impl MapError {
    fn header(path: &Path, source: HeaderError) -> Self {
        Self::Header {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<SegmentError> for MapError {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}

impl From<MapError> for TopicError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Header { path, source } => Self::Header { path, source },
            MapError::Segment(error) => Self::Segment(error),
        }
    }
}

impl From<MapError> for JoinError {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Header { path, source } => Self::Header { path, source },
            MapError::Segment(error) => Self::Segment(error),
        }
    }
}
