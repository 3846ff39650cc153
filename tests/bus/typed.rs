//! Topics of a type.

use ringbus::{Start, TopicError};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::support::{MODES, TestBus};

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Quote {
    bid: i64,
    ask: i64,
    size: u32,
    venue: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
struct Wide {
    lanes: [u64; 2],
}

mod other {
    use super::{FromBytes, Immutable, IntoBytes, KnownLayout};

    #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
    #[repr(C)]
    pub(super) struct Quote {
        mid: i64,
    }
}

fn quote(number: u32) -> Quote {
    Quote {
        bid: -i64::from(number),
        ask: number.into(),
        size: number,
        venue: !number,
    }
}

#[test]
fn values_of_a_type_are_exchanged() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(4)
            .typed::<Quote>()
            .create()
            .unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().reliable().join().unwrap();
        let mut observer = topic.observer(Start::Latest).unwrap();
        for number in 0..20 {
            if number % 2 == 0 {
                publisher.publish(&quote(number)).unwrap();
            } else {
                let mut loan = publisher.loan().unwrap();
                *loan = quote(number);
                loan.commit().unwrap();
            }
            assert_eq!(
                *subscriber.poll().unwrap().expect("published"),
                quote(number)
            );
            assert_eq!(*observer.poll().unwrap().expect("published"), quote(number));
        }
        let info = topic.info();
        assert_eq!(info.payload_type.name.as_deref(), Some("Quote"));
        assert_eq!(
            (
                info.payload_type.size_bytes,
                info.payload_type.alignment_bytes
            ),
            (24, 8)
        );
        assert_eq!(info.payload.max_bytes(), 24);
    }
}

#[test]
fn slices_of_a_type_are_exchanged() {
    for mode in MODES {
        let bus = TestBus::new();
        let builder = bus.topic_of(mode).capacity(4).payload_max(240);
        let topic = builder.typed::<[Quote]>().create().unwrap();
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().reliable().join().unwrap();
        for count in 0..=10 {
            let quotes: Vec<_> = (0..count).map(quote).collect();
            publisher.publish(&quotes).unwrap();
            assert_eq!(*subscriber.poll().unwrap().expect("published"), *quotes);
            let mut loan = publisher.loan(count as usize).unwrap();
            loan.copy_from_slice(&quotes);
            loan.truncate(count as usize / 2).unwrap();
            loan.commit().unwrap();
            let half = subscriber.poll().unwrap().expect("committed");
            assert_eq!(*half, quotes[..count as usize / 2]);
        }
        let too_many: Vec<_> = (0..11).map(quote).collect();
        assert!(publisher.publish(&too_many).is_err());
        assert_eq!(topic.info().payload_type.name.as_deref(), Some("[Quote]"));
    }
}

#[test]
fn a_type_brings_its_alignment() {
    for mode in MODES {
        let bus = TestBus::new();
        let topic = bus
            .topic_of(mode)
            .capacity(2)
            .typed::<Wide>()
            .create()
            .unwrap();
        assert_eq!(topic.info().alignment_bytes, 16);
        let publisher = topic.publisher().unwrap();
        let mut subscriber = topic.subscriber().reliable().join().unwrap();
        for number in 0..10 {
            let wide = Wide {
                lanes: [number, !number],
            };
            publisher.publish(&wide).unwrap();
            assert_eq!(*subscriber.poll().unwrap().expect("published"), wide);
        }
    }
}

#[test]
fn another_type_is_refused_and_both_are_named() {
    let bus = TestBus::new();
    bus.topic("quote").typed::<Quote>().create().unwrap();
    bus.topic("quotes").typed::<[Quote]>().create().unwrap();
    bus.topic("bytes").create().unwrap();

    let refused = |error: TopicError, asked: &str, found: &str| {
        let TopicError::Type { .. } = error else {
            panic!("{error}")
        };
        let text = error.to_string();
        let named = format!("carries {found}, not {asked}; open it as what it carries, or untyped");
        assert!(text.contains(&named), "{text:?} does not say {named:?}");
    };
    const QUOTE: &str = "type Quote (size 24 bytes, alignment 8)";
    const QUOTES: &str = "type [Quote] (size 24 bytes, alignment 8)";
    const WIDE: &str = "type Wide (size 16 bytes, alignment 16)";
    let open_wide = |topic| bus.topic(topic).typed::<Wide>().open().unwrap_err();
    refused(open_wide("quote"), WIDE, QUOTE);
    refused(open_wide("quotes"), WIDE, QUOTES);
    refused(open_wide("bytes"), WIDE, "untyped bytes");
    refused(
        bus.topic("quote").typed::<[Quote]>().open().unwrap_err(),
        QUOTES,
        QUOTE,
    );
    // Of the same name, but not the same type.
    let error = bus
        .topic("quote")
        .typed::<other::Quote>()
        .open_or_create()
        .unwrap_err();
    refused(error, "type Quote (size 8 bytes, alignment 8)", QUOTE);
}

#[test]
fn both_sides_can_agree_on_a_name_of_their_own() {
    let bus = TestBus::new();
    let of = |name| bus.topic("t").typed::<Quote>().type_name(name);
    let topic = of("market.v1.Quote").create().unwrap();
    assert_eq!(
        topic.info().payload_type.name.as_deref(),
        Some("market.v1.Quote")
    );
    of("market.v1.Quote").open().unwrap();
    assert!(matches!(
        of("market.v2.Quote").open(),
        Err(TopicError::Type { .. })
    ));
    assert!(bus.topic("t").typed::<Quote>().open().is_err());
}

#[test]
fn a_typed_topic_can_be_read_as_bytes() {
    let bus = TestBus::new();
    let typed = bus.topic("t").typed::<Quote>().create().unwrap();
    let bytes = bus.topic("t").open().unwrap();
    let mut subscriber = bytes.subscriber().join().unwrap();
    typed.publisher().unwrap().publish(&quote(7)).unwrap();
    let message = subscriber.poll().unwrap().expect("published");
    assert_eq!(message.payload(), quote(7).as_bytes());
}

#[test]
fn encoding_and_schema_are_there_for_everybody() {
    let bus = TestBus::new();
    let longest = vec![0xa5; 64 << 10];
    for (topic, schema) in [
        ("none", &b""[..]),
        ("some", b"syntax = \"proto3\";"),
        ("long", &longest),
    ] {
        bus.topic(topic)
            .encoding("protobuf")
            .schema(schema)
            .create()
            .unwrap();
        // Those who open it need not know.
        let info = bus.topic(topic).open().unwrap().info();
        assert_eq!(
            (info.encoding.as_str(), &*info.schema),
            ("protobuf", schema)
        );
        bus.topic(topic)
            .encoding("protobuf")
            .schema(schema)
            .open()
            .unwrap();
    }
    let listed = bus.topics().unwrap();
    assert!(listed.iter().all(|info| info.encoding == "protobuf"));
    for other in [b"".to_vec(), b"other".to_vec()] {
        let error = bus.topic("some").schema(&other).open().unwrap_err();
        assert!(
            matches!(error, TopicError::Mismatch { what: "schema", .. }),
            "{error}"
        );
    }
    let error = bus.topic("some").encoding("json").open().unwrap_err();
    let text = error.to_string();
    assert!(text.contains("json") && text.contains("protobuf"), "{text}");
}

#[test]
fn texts_that_are_too_long_are_refused() {
    let bus = TestBus::new();
    let long = "x".repeat(256);
    let errors = [
        bus.topic("t").encoding(&long).create().err(),
        bus.topic("t").schema(&[0; (64 << 10) + 1]).create().err(),
        bus.topic("t")
            .typed::<Quote>()
            .type_name(&long)
            .create()
            .err(),
    ];
    for error in errors {
        assert!(
            matches!(error, Some(TopicError::TooLong { .. })),
            "{error:?}"
        );
    }
    assert!(bus.topics().unwrap().is_empty());
}
