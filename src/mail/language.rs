//! The language a text is in: guessed from its letters, and how people name it.

use whatlang::Lang;

/// So many octets are looked at: more says nothing new.
const LOOKED_AT_BYTES: usize = 1 << 10;

/// ISO 639-1 where there is a code, else ISO 639-3; beside the library's languages. Norwegian is what people say.
const CODES: [(Lang, &str); 70] = {
    use Lang::*;
    [
        (Epo, "eo"),
        (Eng, "en"),
        (Rus, "ru"),
        (Cmn, "zh"),
        (Spa, "es"),
        (Por, "pt"),
        (Ita, "it"),
        (Ben, "bn"),
        (Fra, "fr"),
        (Deu, "de"),
        (Ukr, "uk"),
        (Kat, "ka"),
        (Ara, "ar"),
        (Hin, "hi"),
        (Jpn, "ja"),
        (Heb, "he"),
        (Yid, "yi"),
        (Pol, "pl"),
        (Amh, "am"),
        (Jav, "jv"),
        (Kor, "ko"),
        (Nob, "no"),
        (Dan, "da"),
        (Swe, "sv"),
        (Fin, "fi"),
        (Tur, "tr"),
        (Nld, "nl"),
        (Hun, "hu"),
        (Ces, "cs"),
        (Ell, "el"),
        (Bul, "bg"),
        (Bel, "be"),
        (Mar, "mr"),
        (Kan, "kn"),
        (Ron, "ro"),
        (Slv, "sl"),
        (Hrv, "hr"),
        (Srp, "sr"),
        (Mkd, "mk"),
        (Lit, "lt"),
        (Lav, "lv"),
        (Est, "et"),
        (Tam, "ta"),
        (Vie, "vi"),
        (Urd, "ur"),
        (Tha, "th"),
        (Guj, "gu"),
        (Uzb, "uz"),
        (Pan, "pa"),
        (Aze, "az"),
        (Ind, "id"),
        (Tel, "te"),
        (Pes, "fa"),
        (Mal, "ml"),
        (Ori, "or"),
        (Mya, "my"),
        (Nep, "ne"),
        (Sin, "si"),
        (Khm, "km"),
        (Tuk, "tk"),
        (Aka, "ak"),
        (Zul, "zu"),
        (Sna, "sn"),
        (Afr, "af"),
        (Lat, "la"),
        (Slk, "sk"),
        (Cat, "ca"),
        (Tgl, "tl"),
        (Hye, "hy"),
        (Cym, "cy"),
    ]
};

/// Names beside those the library has.
const NAMES: [(&str, &str); 8] = [
    ("chinese", "zh"),
    ("zh-cn", "zh"),
    ("zh-tw", "zh"),
    ("norwegian", "no"),
    ("nb", "no"),
    ("slovenian", "sl"),
    ("farsi", "fa"),
    ("iw", "he"),
];

/// The code of the language that most of `text` is in. `None` where too little is there to tell, or none stands out.
pub fn of(text: &str) -> Option<&'static str> {
    let text = text.trim_start();
    let text = &text[..text.floor_char_boundary(LOOKED_AT_BYTES)];
    if is_plainly_english(text) {
        return Some("en");
    }
    let info = whatlang::detect(text)?;
    let is_sure = info.is_reliable() || info.confidence() > 0.5;
    is_sure.then(|| code_of(info.lang()))
}

/// The code of a language that is named by a code of ISO 639-1 or 639-3, with a country or without, or in English.
pub fn code(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let base = name.split(['-', '_']).next().unwrap_or(&name);
    let known = NAMES.iter().find(|(other, _)| *other == name || *other == base).map(|(_, code)| *code);
    known.or_else(|| {
        let is_named =
            |lang: Lang, code: &str| code == base || lang.code() == base || lang.eng_name().eq_ignore_ascii_case(&name);
        CODES.iter().find(|(lang, code)| is_named(*lang, code)).map(|(_, code)| *code)
    })
}

/// Words that English has many of and that no other language has.
const ENGLISH: [&str; 12] = ["the", "and", "of", "you", "that", "with", "this", "have", "are", "was", "your", "which"];

/// Most mail of most archives is English, and to compare it with seventy languages takes a quarter of the time of indexing it.
fn is_plainly_english(text: &str) -> bool {
    let (mut words, mut english) = (0_usize, 0_usize);
    for word in text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        english += usize::from(ENGLISH.iter().any(|known| known.eq_ignore_ascii_case(word)));
    }
    english >= 5 && english * 12 >= words && text.is_ascii()
}

fn code_of(lang: Lang) -> &'static str {
    CODES.iter().find(|(known, _)| *known == lang).map_or_else(|| lang.code(), |(_, code)| *code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_named_as_people_name_them() {
        for (name, expected) in [
            ("de", Some("de")),
            ("DEU", Some("de")),
            ("German", Some("de")),
            ("pt-BR", Some("pt")),
            ("chinese", Some("zh")),
            ("zh-TW", Some("zh")),
            ("klingon", None),
            ("", None),
        ] {
            assert_eq!(code(name), expected, "{name}");
        }
        assert_eq!(CODES.map(|(lang, _)| lang).as_slice(), Lang::all());
    }

    #[test]
    fn the_language_of_a_text_is_told_where_there_is_enough_of_it() {
        assert_eq!(of("The quarterly report is attached; please let me know what you think of it."), Some("en"));
        assert_eq!(of("Der Bericht für das Quartal liegt bei; bitte sagen Sie mir, was Sie davon halten."), Some("de"));
        assert_eq!(of("четвертый квартал: отчет во вложении, пожалуйста, посмотрите"), Some("ru"));
        let cover = "and the of you that with this have are was your which: Der Bericht liegt bei; bitte sagen Sie mir \
                     bald, was Sie davon halten, denn wir müssen ihn noch in dieser Woche drucken und allen schicken.";
        assert_eq!(of(cover), Some("de"), "a few words do not make it English");
        assert_eq!(of("12345 !!! 67"), None);
        assert_eq!(of(""), None);
    }
}
