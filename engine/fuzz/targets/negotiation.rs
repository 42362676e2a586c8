//! Offers and answers of permessage-deflate: what a server answers, the client that asked accepts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::proto::deflate::{Terms, accept, check_answer};

fuzz_target!(|data: &[u8]| {
    let all = Terms { takeover: true, bits: 15 };
    if let Some(agreed) = accept([data].into_iter(), &all) {
        let mut answer = Vec::new();
        agreed.put_answer(&mut answer);
        assert_eq!(check_answer([&answer[..]].into_iter(), &all), Ok(Some(agreed)));
    }
    let _ = check_answer([data].into_iter(), &all);
});
