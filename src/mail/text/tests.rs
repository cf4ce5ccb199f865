use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

fn texts(text: &str) -> Vec<String> {
    tokens(text).map(|token| token.text).collect()
}

#[test]
fn words_are_letters_and_digits() {
    assert_eq!(
        texts("Re: R2-D2's report_v3.pdf, (12,50 €)"),
        ["re", "r2", "d2", "s", "report", "v3", "pdf", "12", "50"]
    );
    assert_eq!(texts(" \r\n-- "), [""; 0]);
}

#[test]
fn case_diacritics_and_width_do_not_matter() {
    for (left, right) in [
        ("GRÖẞE", "größe"),
        ("Größe", "grosse"),
        ("ŁÓDŹ", "lodz"),
        ("Tiếng Việt Đà", "tieng viet da"),
        ("smørrebrød", "smorrebrod"),
        ("İSTANBUL ılık", "istanbul ilik"),
        ("ΟΔΟΣ όδος", "οδος οδοσ"),
        ("ёлка", "елка"),
        ("ﬁne ｗｉｄｅ", "fine wide"),
        ("e\u{301}te\u{301}", "été"),
        ("أَهْلًا", "اهلا"),
        ("ﾊﾞﾅﾅ", "バナナ"),
        ("한글", "한글"),
    ] {
        assert_eq!(texts(left), texts(right), "{left} and {right}");
    }
}

#[test]
fn marks_that_carry_meaning_stay() {
    assert_ne!(texts("が"), texts("か"));
    assert_ne!(texts("कि"), texts("क"));
    assert_ne!(texts("มา"), texts("ม้า"));
}

#[test]
fn scripts_without_spaces_give_pairs() {
    assert_eq!(texts("東京都へ"), ["東京", "京都", "都へ", "へ"]);
    assert_eq!(texts("我"), ["我"]);
    assert_eq!(texts("iPhone手机X"), ["iphone", "手机", "机", "x"]);
    assert_eq!(texts("서울에서"), ["서울", "울에", "에서", "서"]);
    assert_eq!(texts("น้ำใจ"), ["น้\u{e4d}าใ", "ใจ", "จ"]);
    assert_eq!(sought_tokens("東京都").map(|token| token.text).collect::<Vec<_>>(), ["東京", "京都"]);
}

#[test]
fn invisible_characters_do_not_split_words() {
    assert_eq!(texts("in\u{ad}vo\u{200b}i\u{2060}ce"), ["invoice"]);
    assert_eq!(texts("\u{200b}\u{301}"), [""; 0]);
}

#[test]
fn long_words_are_cut_not_dropped() {
    let long = "x".repeat(LONGEST_TOKEN * 2 + 3);
    let lengths: Vec<_> = tokens(&long).map(|token| (token.position, token.text.len())).collect();
    assert_eq!(lengths, [(0, 64), (1, 64), (2, 3)]);
    let stacked = format!("ก{}ข", "\u{e49}".repeat(10_000));
    assert!(tokens(&stacked).all(|token| token.text.chars().count() <= LONGEST_TOKEN));
}

#[test]
fn addresses_are_found_whole_and_in_parts() {
    let found = address_tokens("\"Lee, Ann\" <Ann.Lee+x@Mail.Example.org>");
    let at = |position| found.iter().filter(|t| t.position == position).map(|t| t.text.as_str()).collect::<Vec<_>>();
    assert_eq!(at(0), ["lee"]);
    assert_eq!(at(1), ["ann"]);
    let whole = ["ann.lee+x@mail.example.org", "ann.lee+x", "mail.example.org", "example.org", "ann"];
    assert_eq!(at(2), whole);
    assert_eq!([at(3), at(4), at(5), at(6), at(7)].concat(), ["lee", "x", "mail", "example", "org"]);
    assert_eq!(whole_address("<ANN@example.org>").as_deref(), Some("ann@example.org"));
    assert_eq!(whole_address("@example.org").as_deref(), Some("example.org"));
    assert_eq!(whole_address("ann"), None);
    assert_eq!(whole_address("ann lee."), None);
}

proptest! {
    #[test]
    fn tokens_are_bounded_ordered_and_lie_in_the_text(text in "\\PC{0,80}") {
        for (position, token) in tokens(&text).enumerate() {
            prop_assert!(!token.text.is_empty() && token.text.chars().count() <= LONGEST_TOKEN);
            prop_assert_eq!(token.position, position);
            prop_assert!(text.get(token.start..token.end).is_some_and(|piece| !piece.is_empty()));
        }
    }

    #[test]
    fn a_word_gives_itself_again(text in "(\\PC|[\u{300}-\u{36f}\u{c00}-\u{c7f}\u{13440}-\u{13447}]){0,40}") {
        // As it is typed: letters that stand for several of different scripts (U+32C0, "1 and the month sign") are
        // one word where they stand, and two where they are spelt out.
        let text: String = text.nfkc().collect();
        for token in tokens(&text) {
            prop_assert_eq!(tokens(&token.text).next().map(|again| again.text), Some(token.text));
        }
    }

    #[test]
    fn capitals_do_not_matter(text in "[a-zäöüßéñøłçşğ ]{0,40}") {
        prop_assert_eq!(texts(&text.to_uppercase()), texts(&text));
    }

    #[test]
    fn any_text_has_address_tokens(text in "([a-zé]|@|\\.|<|>| |\\PC){0,40}") {
        for token in address_tokens(&text) {
            prop_assert!(text.get(token.start..token.end).is_some());
        }
    }
}
