//! The sessions that README.md shows are what the tool prints, but for numbers.

use crate::bad;
use crate::support::{Serving, ringws, stdout};

/// The sessions: the words of a command, and what it printed.
fn sessions(readme: &str) -> Vec<(Vec<String>, String)> {
    let blocks = readme.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let session = |block: &str| {
        let (command, printed) = block.split_once('\n').expect("a command");
        let command = command.strip_prefix("$ ringws ").expect("a command of the tool");
        (words(command), printed.to_owned())
    };
    blocks.map(session).collect()
}

/// The words of a command line, of which those with spaces stand in quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// Without what differs from run to run: numbers, and the spaces before them.
fn stable(text: &str) -> Vec<String> {
    let number = |sign: char| sign.is_ascii_digit() || sign == '.' || sign == ',';
    let word = |word: &str| match word.starts_with(|sign: char| sign.is_ascii_digit()) {
        true => format!("#{}", word.trim_start_matches(number)),
        false => word.to_owned(),
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.expect("the README");
    let server = Serving::new(&["--deflate"]);
    let faulty = format!("ws://127.0.0.1:{}/", bad::serve());
    let mut seen = Vec::new();
    for (words, printed) in sessions(&readme) {
        let put = |word: &String| {
            let word = word.replace("ws://127.0.0.1:9001/", &server.url);
            word.replace("ws://127.0.0.1:9002/", &faulty)
        };
        let arguments: Vec<String> = words.iter().map(put).collect();
        seen.push(words[0].clone());
        if words[0] == "serve" {
            // Another port; `serve` has tests of its own.
            assert_eq!(stable(&printed)[0], "listening on ws://127.0.0.1:9001/");
            continue;
        }
        let output = stdout(&ringws(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
        let put_back = output.replace(&server.url, "ws://127.0.0.1:9001/");
        let output = put_back.replace(&faulty, "ws://127.0.0.1:9002/");
        let (shown, came) = (stable(&printed), stable(&output));
        if words[0] == "probe" {
            // Another kernel; but what is asked of it is the same.
            let name = |line: &String| line.split(" used").next().unwrap_or_default().to_owned();
            let names: Vec<String> =
                shown.iter().filter(|l| l.contains("since")).map(name).collect();
            assert!(names.len() > 3, "{shown:?}");
            let listed = |name: &String| came.iter().any(|line| line.starts_with(name.as_str()));
            assert!(names.iter().all(listed), "{names:?} in {came:?}");
            continue;
        }
        assert_eq!(shown, came, "{words:?} prints\n{output}");
    }
    for command in ["serve", "connect", "bench", "probe", "check"] {
        assert!(seen.iter().any(|name| name == command), "no session of {command}");
    }
}
