//! Any octets as a message: its views keep their bounds, and begin with its parts.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use poplar::mail::message::read;
use poplar::mail::views::views;

fuzz_target!(|octets: &[u8]| {
    let message = read(octets);
    let all = views(octets, &message);
    let (parts, further) = all.views.split_at(message.parts.len());
    for (part, view) in message.parts.iter().zip(parts) {
        assert_eq!(view.name, format!("part {}", part.number));
        assert_eq!(view.octets, part.octets());
    }
    let length: usize = further.iter().map(|view| view.octets.len()).sum();
    // The last for what archives in it unpack to.
    assert!(length <= 4 * octets.len() + (1 << 20) + (32 << 20));
    let names: HashSet<&str> = all.views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names.len(), all.views.len(), "every view has a name of its own");
    assert!(further.iter().all(|view| *view.octets != *octets), "no view is the message itself");
});
