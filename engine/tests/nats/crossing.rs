//! What is published on one engine reaches the members on others.

use super::broker::Broker;
use super::site::{Site, options};
use ringws_kit::until;

#[test]
fn members_on_other_engines_get_what_is_published_once_and_in_order() {
    let broker = Broker::start("");
    let [a, b, c] = [(); 3].map(|()| Site::up(options(&broker.address())));
    let members = [&a, &b, &c].map(|site| site.member(&[b"blue"], &a));
    let stranger = b.member(&[b"red"], &c);
    let expected: Vec<Vec<u8>> = (0..2_000_u32)
        .map(|number| format!("{number} {}", "x".repeat(number as usize % 700)).into_bytes())
        .collect();
    expected.iter().for_each(|text| a.publish(b"blue", text).unwrap());
    for member in &members {
        member.hears(expected.last().unwrap());
        assert!(member.heard() == expected);
    }
    assert!(stranger.heard().is_empty());
    let (of_a, of_b) = (a.stats(), b.stats());
    assert_eq!((of_a.bus_own, of_b.bus_gaps, of_b.bus_malformed), (0, 0, 0));
    let bytes: u64 = expected.iter().map(|text| text.len() as u64).sum();
    assert!(of_a.nats_frames_out >= 2_000 && of_a.nats_bytes_out > bytes, "{of_a:?}");
    assert!(of_b.nats_frames_in >= 2_000 && of_b.nats_bytes_in > bytes, "{of_b:?}");
    assert_eq!((of_a.nats_connects, of_a.nats_refused), (1, 0));
}

/// What no subject may have, every byte there is, and what no line of the broker has room for.
#[test]
fn a_topic_is_any_bytes() {
    let broker = Broker::start("");
    let [a, b] = [(); 2].map(|()| Site::up(options(&broker.address())));
    let mut topics: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    for text in ["*", ">", "a.*", "a.>", "a.b", "a..b", ".a", "a.", "..", "a b", "%2E", "%", "é"] {
        topics.push(text.into());
    }
    topics.push((0..=255).collect());
    topics.push(vec![b'a'; 5_000]);
    topics.push([vec![b'a'; 4_999], vec![b'b']].concat());
    topics.push(vec![0; 65_535]);
    topics.sort();
    topics.dedup();
    let names: Vec<&[u8]> = topics.iter().map(Vec::as_slice).collect();
    let member = b.member(&names, &a);
    for topic in &topics {
        a.publish(topic, &[b"of ", topic.as_slice()].concat()).unwrap();
    }
    let last = [b"of ", topics.last().unwrap().as_slice()].concat();
    member.hears(&last);
    let expected: Vec<_> = topics.iter().map(|topic| [b"of ", topic.as_slice()].concat()).collect();
    assert!(member.heard() == expected, "each topic's message once, and no other's");
    assert_eq!((a.stats().nats_refused, a.stats().nats_connects), (0, 1));
}

#[test]
fn engines_of_another_prefix_hear_nothing() {
    let broker = Broker::start("");
    let of = |prefix: &str| {
        let options = options(&broker.address());
        Site::up(ringws_engine::nats::Options { subject_prefix: prefix.into(), ..options })
    };
    let (a, b, c) = (of("one"), of("one"), of("other"));
    let (here, there) = (b.member(&[b"blue"], &a), c.member(&[b"blue"], &c));
    a.publish(b"blue", b"for one").unwrap();
    c.publish(b"blue", b"for the other").unwrap();
    here.hears(b"for one");
    there.hears(b"for the other");
    assert_eq!((here.heard().len(), there.heard().len()), (1, 1));
}

/// Whoever leaves is unsubscribed: what is published does not come here any more.
#[test]
fn what_nobody_wants_any_more_does_not_come() {
    let broker = Broker::start("");
    let [a, b] = [(); 2].map(|()| Site::up(options(&broker.address())));
    let member = b.member(&[b"blue"], &a);
    let guest = b.guest(b"red");
    let before = b.stats().bus_delivered;
    until("it comes", || a.publish(b"red", b"x").is_ok() && b.stats().bus_delivered > before);
    drop(guest);
    let mut round = 0_u32;
    until("it comes no more", || {
        let before = b.stats().nats_frames_in;
        (0..50).for_each(|_| a.publish(b"red", b"x").unwrap());
        round += 1;
        let last = round.to_string();
        a.publish(b"blue", last.as_bytes()).unwrap();
        member.hears(last.as_bytes());
        b.stats().nats_frames_in < before + 25
    });
    assert_eq!(b.stats().topics, 1);
}
