//! smoke
use ringbus::*;
#[test]
fn smoke() {
    let dir = std::env::temp_dir().join(format!("ringbus-smoke-{}", std::process::id()));
    let bus = Bus::builder().dir(&dir).open().unwrap();
    for shared in [false, true] {
        let name = if shared { "a/b" } else { "a/c" };
        let b = bus.topic(name).capacity(8);
        let topic = if shared { b.shared() } else { b }.create().unwrap();
        let p = topic.publisher().unwrap();
        let mut r = topic.subscriber().reliable().join().unwrap();
        let mut l = topic.subscriber().join().unwrap();
        let mut o = topic.observer(Start::Oldest).unwrap();
        for round in 0..100u64 {
            for i in 0..8u64 {
                assert_eq!(
                    p.try_publish(&(round * 8 + i).to_le_bytes()).unwrap(),
                    round * 8 + i
                );
            }
            assert!(matches!(p.try_publish(b"x"), Err(PublishError::Full(_))));
            let batch = r.poll_batch(100).unwrap();
            assert_eq!(batch.len(), 8);
            for (i, m) in batch.iter().enumerate() {
                assert_eq!(m.payload(), (round * 8 + i as u64).to_le_bytes());
            }
            drop(batch);
            while matches!(o.poll(), Ok(Some(_)) | Err(_)) {}
        }
        let mut got = 0;
        let mut missed = 0;
        loop {
            match l.poll() {
                Ok(Some(m)) => {
                    got += 1;
                    assert_eq!(m.payload(), m.sequence().to_le_bytes());
                }
                Ok(None) => break,
                Err(PollError::Lagged { missed: m }) => missed += m,
                Err(e) => panic!("{e}"),
            }
        }
        assert_eq!(got + missed, 800);
        println!("{got} {missed} {:?}", topic.info());
        let mut loan = p.loan(3).unwrap();
        loan.copy_from_slice(b"abc");
        loan.set_tag(9);
        loan.commit().unwrap();
        {
            let m = r.poll().unwrap().unwrap();
            assert_eq!(&*m, b"abc");
            assert_eq!(m.tag(), 9);
        }
    }
    println!("{:?}", bus.topics().unwrap().len());
    bus.remove("a/b", Remove::IfUnused).unwrap();
    println!("{:?}", bus.gc());
    drop(bus);
    Bus::builder().dir(&dir).destroy().unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
