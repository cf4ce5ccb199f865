//! The language a text is in: guessed from its letters, and how people name it.

use std::collections::HashMap;
use std::sync::LazyLock;

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
    if let Some(code) = plain(text) {
        return Some(code);
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

/// Frequent words that hardly any other language of the same letters has. Of languages with near relations (Spanish,
/// Dutch) there are too few of them.
const FREQUENT: [(&str, [&str; 12]); 3] = [
    ("en", ["the", "and", "of", "you", "that", "with", "this", "have", "are", "was", "your", "which"]),
    ("de", ["und", "nicht", "ist", "auf", "ich", "sie", "zu", "eine", "auch", "wir", "einen", "oder"]),
    ("fr", ["les", "des", "une", "dans", "pour", "pas", "sur", "vous", "nous", "avec", "qui", "sont"]),
];

/// No frequent word is longer.
const LONGEST: usize = 5;

static FREQUENT_WORDS: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    let words = FREQUENT.iter().enumerate().flat_map(|(at, (_, words))| words.iter().map(move |word| (*word, at)));
    words.collect()
});

/// The language whose frequent words are all over `text`. To compare with seventy languages takes a quarter of the time of
/// indexing a mail.
fn plain(text: &str) -> Option<&'static str> {
    let mut words = 0_usize;
    let mut seen = [0_usize; FREQUENT.len()];
    for word in text.split(|letter: char| !letter.is_alphabetic()).filter(|word| !word.is_empty()) {
        words += 1;
        if word.len() > LONGEST || !word.is_ascii() {
            continue;
        }
        let mut lower = [0; LONGEST];
        let lower = &mut lower[..word.len()];
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        let known = std::str::from_utf8(lower).ok().and_then(|word| FREQUENT_WORDS.get(word));
        known.into_iter().for_each(|at| seen[*at] += 1);
    }
    let (most, count) = seen.iter().copied().enumerate().max_by_key(|(_, count)| *count)?;
    let others = seen.iter().sum::<usize>() - count;
    let (code, _) = FREQUENT[most];
    // English with an umlaut in it is looked at more closely.
    let is_plain = count >= 5 && count * 12 >= words && others * 4 <= count && (code != "en" || text.is_ascii());
    is_plain.then_some(code)
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

    #[test]
    fn what_frequent_words_say_is_what_all_letters_say() {
        let texts = [
            ("en", "The minutes of the meeting are in the folder that you have; which of the plans was yours?"),
            (
                "de",
                "Wir haben das Protokoll und die Liste; ich habe sie nicht gelesen, auch wenn sie auf dem Tisch ist.",
            ),
            (
                "fr",
                "Le compte rendu est dans le dossier avec les listes; vous pouvez les lire pour nous, une fois sur deux.",
            ),
        ];
        for (code, text) in texts {
            assert_eq!(plain(text), Some(code), "{text}");
            assert_eq!(whatlang::detect(text).map(|info| code_of(info.lang())), Some(code), "{text}");
        }
        let others = [
            "Vi har læst referatet og er ikke enige om alt, men det er godt nok til at sende til de andre i dag.",
            "Il verbale della riunione è nella cartella con gli elenchi; non so se li hai letti tutti o solo una parte.",
            "A ata da reunião está na pasta com as listas; não sei se você já leu todas elas ou só uma parte das contas.",
            "L'acta de la reunió és a la carpeta amb les llistes; no sé si les has llegides totes o només una part.",
            "El president del govern i el conseller del departament tenen una reunió amb el director.",
            "Envie para mim, para o João e para a Ana; por favor, avise como foi e por quem.",
            "Ho parlato con Marco del contratto con una nota del cliente su carta.",
            "Het verslag van de vergadering is niet voor ons, maar een lijst van de plannen is ook naar jou gegaan.",
            "Ek het die verslag van die vergadering vir hulle gestuur, maar dit is nie dat ons ook met almal gepraat het nie.",
        ];
        for text in others {
            assert_eq!(plain(text), None, "{text}");
        }
        assert!(FREQUENT.iter().all(|(_, words)| words.iter().all(|word| word.len() <= LONGEST)));
    }
}
