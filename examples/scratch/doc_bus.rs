// A bus for one example of the documentation, in a temporary directory that goes with it. An
// expression, which the examples include: so what they need is in no public interface.
{
    struct DocBus {
        bus: ringbus::Bus,
        dir: std::path::PathBuf,
    }

    impl std::ops::Deref for DocBus {
        type Target = ringbus::Bus;

        fn deref(&self) -> &ringbus::Bus {
            &self.bus
        }
    }

    impl Drop for DocBus {
        fn drop(&mut self) {
            let place = ringbus::Bus::builder().dir(&self.dir);
            for name in place.names().unwrap_or_default() {
                let _ = place.clone().name(&name).destroy();
            }
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    // Examples run side by side, in processes or in threads.
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let dir = std::env::temp_dir().join(format!("ringbus-doc-{process}-{thread:?}"));
    std::fs::create_dir(&dir).expect("a directory of its own");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Some examples share a bus with other users.
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&dir, mode).expect("its own");
    }
    let bus = ringbus::Bus::builder().dir(&dir).open()?;
    DocBus { bus, dir }
}
