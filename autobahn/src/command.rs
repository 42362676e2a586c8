//! Running other programs to their end.

use crate::error::{Error, Result};
use std::process::{Command, Stdio};

/// How much of a failed program's output is shown, in lines: the end says why.
const OUTPUT_LINES_MAX: usize = 25;

/// Runs a program and returns what it wrote to its standard output. When it fails, the error holds
/// the last lines of all it wrote.
pub fn capture(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command.stdin(Stdio::null()).output().map_err(Error::io(shown.as_str()))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let all = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    Err(Error::Command { command: shown, status: output.status.to_string(), output: tail(&all) })
}

/// Runs a program that writes to the terminal by itself.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.stdin(Stdio::null()).status().map_err(Error::io(shown.as_str()))?;
    if status.success() {
        return Ok(());
    }
    let output = String::new();
    Err(Error::Command { command: shown, status: status.to_string(), output })
}

/// The last lines of a text, indented.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let first = lines.len().saturating_sub(OUTPUT_LINES_MAX);
    let last: Vec<String> = lines.iter().skip(first).map(|line| format!("  | {line}")).collect();
    last.join("\n")
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_of_a_program() {
        let text = capture(Command::new("sh").args(["-c", "echo out; echo err >&2"]));
        assert_eq!(text.expect("succeeds"), "out\n");
    }

    #[test]
    fn a_failure_says_which_program_and_why() {
        let failed = capture(Command::new("sh").args(["-c", "echo out; echo why >&2; exit 3"]));
        let text = failed.expect_err("exit 3").to_string();
        assert!(text.contains("sh -c") && text.contains("exit status: 3"), "{text}");
        assert!(text.contains("  | out\n  | why"), "{text}");
        assert!(run(Command::new("sh").args(["-c", "exit 1"])).is_err());
        let missing = capture(&mut Command::new("no-such-program")).expect_err("not there");
        assert!(missing.to_string().contains("no-such-program"));
    }

    #[test]
    fn long_output_keeps_its_end() {
        let text: String = (0..100).map(|n| format!("line {n}\n\n")).collect();
        let shown = tail(&text);
        assert_eq!(shown.lines().count(), OUTPUT_LINES_MAX);
        assert!(shown.ends_with("  | line 99") && !shown.contains("line 74\n"));
    }
}
