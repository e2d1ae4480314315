use super::{Format, Misfit};

fn format(text: &str) -> Format {
    text.parse().unwrap()
}

#[test]
fn knows_the_tags_of_a_format() {
    let cases: [(&str, &[&str], &[&str]); 14] = [
        (
            "YYYY.0M.0D",
            &["2024.01.02", "v2024.12.31", "2024.02.29-alpine"],
            &["2024.1.02", "24.01.02", "2024.01", "2024.01.02.3"],
        ),
        ("YYYY.MM.DD", &["2024.1.2", "2024.01.02"], &["2024.001.2"]),
        ("YYYYMMDD", &["20240102", "build-20240102"], &["2024012", "202401020", "2024-01-02"]),
        ("YY.0M", &["24.01", "6.01", "106.04"], &["2024.01", "24.1", "24.01.1"]),
        ("0Y.0M", &["06.01", "24.10"], &["6.01"]),
        ("YY0M0D", &["240102"], &["20240102"]),
        ("YYYY.WW", &["2024.1", "2024.53"], &["2024.1.1"]),
        ("YYYY.0W", &["2024.01"], &["2024.1"]),
        ("YYYY.0M.MICRO", &["2024.01.0", "2024.01.99999999999999999999"], &["2024.01"]),
        ("YYYYMMDDMICRO", &["202401021", "2024010299"], &["20240102"]),
        ("MAJOR.YY.MINOR", &["3.24.1"], &["3.24"]),
        ("YYYY-0M-0D", &["2024-01-02", "app-2024-01-02"], &["2024.01.02"]),
        ("RELEASE.YYYY-0M-0D", &["RELEASE.2024-01-02"], &["2024-01-02"]),
        ("YYYY.0M.MICRO-MODIFIER", &["2024.01.3", "2024.01.3-rc1", "2024.01.3.dev2"], &["2024.01"]),
    ];
    for (text, yes, no) in cases {
        for tag in yes {
            assert!(format(text).read(tag).is_ok(), "{text} {tag}");
        }
        for tag in no {
            assert_eq!(format(text).read(tag).err(), Some(Misfit::Format), "{text} {tag}");
        }
    }
}

#[test]
fn refuses_dates_that_do_not_exist() {
    for (text, tag) in [
        ("YYYY.0M.0D", "2023.02.29"),
        ("YYYY.0M.0D", "2024.13.01"),
        ("YYYY.0M.0D", "2024.00.01"),
        ("YYYY.0M", "2024.99"),
        ("YYYYMMDD", "20240431"),
        ("YY.WW", "24.54"),
        ("YY.WW", "24.0"),
        ("DD.MM.YYYY", "31.4.2024"),
    ] {
        assert_eq!(format(text).read(tag).err(), Some(Misfit::Date), "{text} {tag}");
    }
}

#[test]
fn orders_by_its_parts() {
    let cases: [(&str, &[&str]); 6] = [
        ("YYYY.MM.DD", &["2023.12.31", "2024.1.9", "2024.1.10", "2024.10.1"]),
        ("DD.MM.YYYY", &["31.12.2023", "1.2.2024", "2.1.2025"]),
        ("YY.0M.MICRO-MODIFIER", &["24.01.9", "24.01.10-beta", "24.01.10-rc1", "24.01.10-rc2", "24.01.10", "24.02.0"]),
        ("MAJOR.YYYY.MINOR", &["1.2024.9", "2.2023.1", "2.2023.10", "2.2024.0"]),
        ("YY.0M", &["6.10", "24.04", "24.10", "106.04"]),
        ("YYYYMMDD", &["20240101", "20240101-r1", "20240101-r2", "20240102"]),
    ];
    for (text, ascending) in cases {
        let format = format(text);
        for (place, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                let order = format.read(left).unwrap().compare(&format.read(right).unwrap());
                assert_eq!(order, place.cmp(&other), "{text} {left} {right}");
            }
        }
    }
}

#[test]
fn says_what_is_wrong_with_a_format() {
    for (text, column, word) in [
        ("", 1, "year"),
        ("MAJOR.MINOR", 12, "year"),
        ("YYYY.M.D", 6, "token"),
        ("YYYY.0M.DD.DD", 12, "again"),
        ("YYYY.YY", 6, "again"),
        ("YYYY.DD", 8, "month"),
        ("YYYY.0M.WW", 11, "go together"),
        ("YYYY.MAJORMINOR", 11, "separator"),
        ("YYYY/0M", 5, "cannot be in a tag"),
        ("YYYY.0M.MODIFIER.1", 9, "token"),
        ("2024.0M", 1, "token"),
    ] {
        let error = text.parse::<Format>().expect_err(text);
        assert_eq!(error.column, column, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}
