//! Sealing keeps whatever it is given, and any damage to it is found.

use super::sealing::{flip, lines, mail, message};
use super::*;

/// Mail with runs of base64 of all shapes, right ones and wrong ones.
fn odd_mail() -> impl Strategy<Value = Vec<u8>> {
    let run = (1_usize..9000, 1_usize..260, prop::sample::select(vec!["\r\n", "\n", "\r\r\n", ""]), any::<u64>());
    let text = prop::collection::vec(any::<u8>(), 0..300);
    let spoil = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
    let cut = prop::option::weighted(0.3, any::<prop::sample::Index>());
    let piece = (text, run, spoil, cut).prop_map(|(text, (size, line, ending, seed), spoil, cut)| {
        let mut run = lines(&noise(size, seed), line * 4, ending);
        if let Some((at, octet)) = spoil {
            let at = at.index(run.len());
            run[at] = octet;
        }
        if let Some(cut) = cut {
            run.truncate(cut.index(run.len()));
        }
        [text, run].concat()
    });
    prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat())
}

fn any_record() -> impl Strategy<Value = (RecordKind, Vec<u8>)> {
    prop_oneof![
        3 => odd_mail().prop_map(|octets| (RecordKind::Message, octets)),
        2 => prop::collection::vec(any::<u8>(), 0..400).prop_map(|octets| (RecordKind::Private, octets)),
        1 => (0_usize..1_300_000, any::<u64>()).prop_map(|(size, seed)| (RecordKind::Message, noise(size, seed))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_records_are_the_same_after_sealing_and_compaction(
        records in prop::collection::vec(any_record(), 1..12),
        dropped in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut bench = Bench::new();
        let kept = bench.append(&records);
        bench.sealed(1);
        let wanted = |stored: &Stored| dropped.get(stored.location.ordinal as usize) != Some(&true);
        for compacting in [false, true] {
            if compacting {
                bench.seal_with(&Packed::Sealed(1), &wanted, &|_| None).unwrap();
            }
            let reader = Reader::new(&bench.packs());
            for ((durable, (_, octets)), dropped) in kept.iter().zip(&records).zip(&dropped) {
                let read = reader.open(durable.location()).and_then(Blob::octets).ok();
                prop_assert_eq!(read.as_ref(), (!(compacting && *dropped)).then_some(octets));
            }
            let (met, ended) = bench.walk(&Packed::Sealed(1));
            prop_assert!(ended.is_ok() && met.iter().all(|(_, intact)| *intact));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_flipped_bit_of_a_sealed_pack_is_found(at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut bench = Bench::new();
        let private = (RecordKind::Private, b"{\"v\":1}".repeat(60));
        bench.append(&[message(&mail(1, &noise(1500, 4))), private, message(b""), message(b"Subject: x\r\n\r\n")]);
        let sealed = bench.sealed(1);
        flip(&bench.file("00000001.pack"), at.index(usize::try_from(sealed.bytes).unwrap()), bit);
        let (met, ended) = bench.walk(&Packed::Sealed(1));
        prop_assert!(ended.is_err(), "{:?}", met);
    }
}
