//! Every input that was worth keeping, given to its target again; on stable Rust, without libFuzzer.

use std::fs;
use std::path::Path;

#[test]
fn every_input_of_the_corpus_keeps_its_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in session_fuzz::TARGETS {
        let mut inputs = 0;
        for file in fs::read_dir(corpus.join(name)).expect("every target has a corpus") {
            let path = file.expect("an entry").path();
            // Shown if the target panics.
            println!("{}", path.display());
            let input = fs::read(&path).expect("a file");
            target(&input);
            // And what is left of it.
            for length in [0, input.len() / 2, input.len().saturating_sub(1)] {
                target(&input[..length]);
            }
            inputs += 1;
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
        println!("{name}: {inputs} inputs");
    }
}

#[test]
fn every_target_has_a_program() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in session_fuzz::TARGETS {
        assert!(manifest.join(format!("targets/{name}.rs")).is_file(), "{name}");
    }
}
