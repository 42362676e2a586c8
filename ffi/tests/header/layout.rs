//! Lays cbindgen's output out to be read: comments beside what they explain, functions in the
//! order of a table of contents under headings.

use super::contents::{CONTENTS, GROUPS};

const COLUMNS: usize = 100;

/// A comment and the lines it explains.
type Item = (Vec<String>, Vec<String>);

/// What stands between two empty lines: a comment and what it explains.
struct Block {
    doc: Vec<String>,
    code: Vec<String>,
}

impl Block {
    fn parse(text: &str) -> Self {
        let (doc, code) = split_doc(text.lines());
        Self { doc, code }
    }

    fn is_define(&self) -> bool {
        self.code.len() == 1 && self.code[0].starts_with("#define RWS_")
    }

    fn is_function(&self) -> bool {
        let last = self.code.last().map_or("", String::as_str);
        last.ends_with(");") && !self.code[0].starts_with("typedef")
    }

    /// The name before the first parenthesis.
    fn function_name(&self) -> &str {
        let line = self.code.iter().find(|line| line.contains('(')).unwrap();
        let before = &line[..line.find('(').unwrap()];
        before.rsplit([' ', '*']).next().unwrap()
    }
}

/// Splits a leading comment from what follows it.
fn split_doc<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<String>, Vec<String>) {
    let (mut doc, mut code, mut inside) = (Vec::new(), Vec::new(), false);
    for line in lines {
        match line.trim() {
            "/*" if code.is_empty() => inside = true,
            "*/" if inside => inside = false,
            text if inside => doc.push(text.to_owned()),
            _ => code.push(line.to_owned()),
        }
    }
    (doc, code)
}

/// A comment on lines of its own, if there is one.
fn comment(doc: &[String], indent: &str) -> String {
    if doc.is_empty() {
        return String::new();
    }
    let text = doc.join(&format!("\n{indent} * "));
    format!("{indent}/* {text} */\n")
}

fn indent_of(line: &str) -> String {
    line.chars().take_while(|c| *c == ' ').collect()
}

/// Whether a comment fits beside what ends at `column`.
fn fits(column: usize, text: &str) -> bool {
    column + text.chars().count() + 7 <= COLUMNS
}

/// A line with its comment: beside it from `column` on when both fit, else above.
fn explained(code: &str, doc: &[String], column: usize) -> String {
    match doc {
        [] => format!("{code}\n"),
        [text] if fits(column.max(code.len()), text) => format!("{code:column$} /* {text} */\n"),
        _ => comment(doc, &indent_of(code)) + code + "\n",
    }
}

/// Items with their comments, those that stand beside them in one column.
fn items(items: &[Item], column_max: usize) -> String {
    let beside = |(doc, code): &&Item| {
        let length = code[0].len();
        doc.len() == 1 && code.len() == 1 && length <= column_max && fits(length, &doc[0])
    };
    let column = items.iter().filter(beside).map(|(_, code)| code[0].len()).max().unwrap_or(0);
    let mut out = String::new();
    for (doc, code) in items {
        match code.as_slice() {
            [line] => out += &explained(line, doc, column),
            lines => out += &(comment(doc, &indent_of(&lines[0])) + &lines.join("\n") + "\n"),
        }
    }
    out
}

/// A prototype as one line, or as many as it takes, each filled.
fn prototype(code: &[String]) -> Vec<String> {
    let joined = code.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let hang = " ".repeat(joined.find('(').unwrap() + 1);
    let mut lines = vec![String::new()];
    for parameter in joined.split_inclusive(", ") {
        let line = lines.last_mut().unwrap();
        if line.is_empty() || line.len() + parameter.trim_end().len() <= COLUMNS {
            *line += parameter;
        } else {
            lines.push(hang.clone() + parameter);
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// A struct or an enum: its fields with their comments.
fn aggregate(block: &Block) -> String {
    let (first, last) = (&block.code[0], block.code.last().unwrap());
    let mut fields: Vec<Item> = Vec::new();
    let (mut doc, mut inside, mut open) = (Vec::new(), false, false);
    for line in &block.code[1..block.code.len() - 1] {
        match line.trim() {
            "/*" => inside = true,
            "*/" if inside => inside = false,
            text if inside => doc.push(text.to_owned()),
            text => {
                match fields.last_mut().filter(|_| open) {
                    Some((_, code)) => code.push(line.clone()),
                    None => fields.push((std::mem::take(&mut doc), vec![line.clone()])),
                }
                open = !(text.ends_with(';') || text.ends_with(','))
                    || text.ends_with(',') && text.contains(' ') && !text.contains('=');
            }
        }
    }
    let first = explained(first, &block.doc, 0);
    format!("{first}{}{last}\n", items(&fields, 48))
}

fn functions(blocks: &[Block]) -> String {
    let mut left: Vec<&Block> = blocks.iter().filter(|block| block.is_function()).collect();
    let mut out = String::new();
    for (heading, names) in CONTENTS {
        let lines: Vec<String> = heading.lines().map(str::to_owned).collect();
        out += &comment(&lines, "");
        // Apart from the comment of the first function.
        out += if heading.is_empty() { "" } else { "\n" };
        let mut section = Vec::new();
        for name in names {
            let at = left.iter().position(|block| block.function_name() == *name);
            let block = left.remove(at.unwrap_or_else(|| panic!("no function {name}")));
            section.push((block.doc.clone(), prototype(&block.code)));
        }
        out += &(items(&section, 64) + "\n");
    }
    let forgotten: Vec<_> = left.iter().map(|block| block.function_name()).collect();
    assert!(forgotten.is_empty(), "not in the contents: {forgotten:?}");
    out
}

fn constants(blocks: &[Block]) -> String {
    let mut groups: Vec<(&str, Vec<Item>)> = Vec::new();
    for block in blocks.iter().filter(|block| block.is_define()) {
        let name = block.code[0].split(' ').nth(1).unwrap();
        if let Some((_, heading)) = GROUPS.iter().find(|(first, _)| *first == name) {
            groups.push((heading, Vec::new()));
        }
        let line = block.code[0].replace("(1 <<", "(1u <<");
        let (name, value) = line.rsplit_once(name).map(|(_, value)| (name, value.trim())).unwrap();
        let code = format!("#define {name:<22} {value}");
        groups.last_mut().expect("a heading").1.push((block.doc.clone(), vec![code]));
    }
    let text =
        |(heading, group): &(&str, Vec<_>)| format!("/* {heading} */\n{}\n", items(group, COLUMNS));
    groups.iter().map(text).collect()
}

/// C's own comments instead of those that came with C99.
fn plain_comments(code: &str) -> String {
    let plain = |line: &str| match line.split_once(" // ") {
        Some((code, text)) => format!("{} /* {text} */\n", code.trim_end()),
        None => format!("{line}\n"),
    };
    code.lines().map(plain).collect()
}

/// The header as it is committed.
pub(crate) fn lay_out(raw: &str) -> String {
    let blocks: Vec<Block> =
        raw.split("\n\n").map(|text| Block::parse(text.trim_matches('\n'))).collect();
    let (mut out, mut constants_done, mut functions_done) = (String::new(), false, false);
    let mut forward = Vec::new();
    for block in blocks.iter().filter(|block| !block.code.is_empty()) {
        let first = block.code[0].as_str();
        if block.is_define() {
            out += &if constants_done { String::new() } else { constants(&blocks) };
            constants_done = true;
        } else if block.is_function() {
            out += &if functions_done { String::new() } else { functions(&blocks) };
            functions_done = true;
        } else if first.starts_with("typedef") && block.code.len() == 1 {
            forward.push((block.doc.clone(), block.code.clone()));
        } else {
            if !forward.is_empty() {
                out += &(items(&std::mem::take(&mut forward), COLUMNS) + "\n");
            }
            let text = if first.starts_with("typedef") {
                aggregate(block)
            } else {
                plain_comments(&block.code.join("\n"))
            };
            out += &(text + "\n");
        }
    }
    out.trim_end().to_owned() + "\n"
}
