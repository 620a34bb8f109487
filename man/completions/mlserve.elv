
use builtin;
use str;

set edit:completion:arg-completer[mlserve] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'mlserve'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'mlserve'= {
            cand --licenses 'Print the licences of the ONNX Runtime inside this program'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand predict 'Score the records of files, folders or a pipe, on all cores, in input order'
            cand serve 'Answer requests for predictions over HTTP'
            cand inspect 'Show what goes into a model, what comes out and what is inside'
        }
        &'mlserve;predict'= {
            cand -o 'Write to FILE instead of standard output; a file appears whole or not at all'
            cand --output 'Write to FILE instead of standard output; a file appears whole or not at all'
            cand --output-dir 'Write one output for each input to DIR, with the same relative name; --rejects, --manifest and --report are folders then, too'
            cand --from 'Format of the input; by default from the file''s extension or first bytes'
            cand --to 'Format of the output; by default from the extension of --output, else as the input, or CSV where that is a table'
            cand -d 'Character between the fields of CSV input, or "tab"; the output has the same'
            cand --delimiter 'Character between the fields of CSV input, or "tab"; the output has the same'
            cand --out-delimiter 'Character between the fields of CSV output, or "tab"'
            cand --encoding 'Encoding of text input without a byte order mark: latin1, windows-1252, utf-16le, shift_jis...'
            cand --nan-as 'Write NaN as TEXT and infinities as inf in CSV; by default both are empty'
            cand --keep 'Columns copied to the output: unused (what the model does not consume), all, none or a list'
            cand --features 'Columns of the model''s one matrix input, in the model''s order'
            cand --id 'Columns that identify a record and are no features'
            cand --label 'Column with the true label, which is no feature; metrics are printed at the end'
            cand --exclude 'Further columns that are no features'
            cand --set 'Give an input that does not change from record to record (a scalar, a state)'
            cand --missing 'Texts that mean a missing value in numeric columns, besides the empty one'
            cand --fill 'Read missing values of a column as VALUE'
            cand --outputs 'Model outputs to show; all by default'
            cand --classes 'Names of the classes, in the model''s order'
            cand --activation 'Apply a function to raw scores'
            cand --threshold 'Decide for the positive class from this probability on (two classes)'
            cand --top 'Show only the K best classes and their scores'
            cand --report 'Write a page about the run to FILE (HTML): distributions, metrics, missing values, rejects'
            cand --on-error 'End the run, leave the record out, or keep it with empty predictions; skip with --rejects or --max-errors, else fail'
            cand --rejects 'Tell of each such record in FILE (JSONL: file, line, column, code, message, record)'
            cand --max-errors 'Fail when there are more than N, or more than P% of all records'
            cand --max-record-bytes 'Longest record, such as 64M; a longer one cannot be scored'
            cand --shard 'Score only part I of N of the input, counted from 1; the parts'' outputs one after the other are the whole output'
            cand --shards 'Score the part of N that the environment names (JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, SLURM_ARRAY_TASK_ID)'
            cand --manifest 'Write a JSON account of the run to FILE: what was scored, by what, with which outcome'
            cand --limit 'Score only the first N records'
            cand -j 'Threads that score; by default as many as this process may use'
            cand --jobs 'Threads that score; by default as many as this process may use'
            cand --batch-size 'Records of one run of the model; the last bits of predictions may depend on it'
            cand --runtime 'Use this ONNX Runtime library instead of the built-in one'
            cand --trees 'What evaluates tree ensembles: mlserve''s own kernel where it can, with the same scores, or ONNX Runtime'
            cand --no-header 'The first line is a record: columns are called 1, 2, 3... and the output has no header'
            cand --allow-missing-columns 'Score columns that the input lacks as missing values'
            cand --missing-in-strings 'Apply --missing to string columns too'
            cand --lenient 'Accept numbers in quotes in JSON'
            cand --argmax 'Show only the best class'
            cand --resume 'Go on where an interrupted run with the same command line stopped; needs --output or --output-dir'
            cand --force 'Score anew what --resume or a shard has already finished'
            cand --stream 'Score records as they arrive and write each batch at once; batches, and with them the last bits of predictions, then depend on timing'
            cand --explain 'Print which column feeds which input and which columns come out; score nothing'
            cand -q 'No progress bar, no notes, no closing line'
            cand --quiet 'No progress bar, no notes, no closing line'
            cand --allow-known-bad-runtime 'Use a runtime even if its version is known to give wrong answers'
            cand -v 'Say more: -vv shows ONNX Runtime''s own messages'
            cand --verbose 'Say more: -vv shows ONNX Runtime''s own messages'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlserve;serve'= {
            cand --host 'Address to listen on; 0.0.0.0 or [::] is all of this machine''s. By default 127.0.0.1, and in a container of Vertex AI or SageMaker 0.0.0.0'
            cand -p 'Port to listen on; 0 takes a free one. By default what PORT, AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT says, else 8080'
            cand --port 'Port to listen on; 0 takes a free one. By default what PORT, AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT says, else 8080'
            cand --listen 'Listen here instead: HOST:PORT, or unix:PATH; may be given several times'
            cand --max-body 'Largest body of a request, also after it is unpacked'
            cand --max-head 'Largest head of a request'
            cand --max-fields 'Most header fields of a request'
            cand --max-url 'Longest path with its query'
            cand --max-connections 'Most connections at once; further ones are told to come back (503)'
            cand --max-requests 'Most requests that are worked on at once; further ones are told to come back (503)'
            cand --timeout-s 'Seconds that an answer may take (504 after that); 0 is no limit'
            cand --header-timeout-s 'Seconds in which the head of a request must have come'
            cand --body-timeout-s 'Seconds in which more of a body must have come'
            cand --idle-timeout-s 'Seconds that a connection may wait for its next request'
            cand --write-timeout-s 'Seconds in which a client must take more of its answer'
            cand --grace-s 'Seconds in which requests are finished after SIGTERM or Ctrl-C; a second signal ends at once'
            cand --compress-from 'Answers of this size on are compressed for clients that accept it'
            cand --batch-size 'Most records of one run of the model'
            cand --features 'Fields of the model''s one matrix input, in the model''s order'
            cand --set 'Give an input that does not change from record to record (a scalar, a state)'
            cand --nan 'What JSON answers have for NaN and infinities, which it cannot say'
            cand --missing 'Texts that mean a missing value in numeric columns, besides the empty one'
            cand --fill 'Read missing values of a column as VALUE'
            cand --outputs 'Model outputs to show; all by default'
            cand --classes 'Names of the classes, in the model''s order'
            cand --activation 'Apply a function to raw scores'
            cand --threshold 'Decide for the positive class from this probability on (two classes)'
            cand --top 'Show only the K best classes and their scores'
            cand --runtime 'Use this ONNX Runtime library instead of the built-in one'
            cand --trees 'What evaluates tree ensembles: mlserve''s own kernel where it can, with the same scores, or ONNX Runtime'
            cand -q 'No banner at the start, no line for each request'
            cand --quiet 'No banner at the start, no line for each request'
            cand --allow-missing-columns 'Score fields that a record lacks as missing values'
            cand --strict 'Refuse records with fields that the model has no use for'
            cand --missing-in-strings 'Apply --missing to string columns too'
            cand --lenient 'Accept numbers in quotes in JSON'
            cand --argmax 'Show only the best class'
            cand --allow-known-bad-runtime 'Use a runtime even if its version is known to give wrong answers'
            cand -v 'Say more: -vv shows ONNX Runtime''s own messages'
            cand --verbose 'Say more: -vv shows ONNX Runtime''s own messages'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
        &'mlserve;inspect'= {
            cand --example 'Print a ready input for predict or the server instead'
            cand --runtime 'Use this ONNX Runtime library instead of the built-in one'
            cand --trees 'What evaluates tree ensembles: mlserve''s own kernel where it can, with the same scores, or ONNX Runtime'
            cand --json 'Print JSON with stable keys'
            cand --check 'Load the model into ONNX Runtime, run one made-up batch and report what happened'
            cand --allow-known-bad-runtime 'Use a runtime even if its version is known to give wrong answers'
            cand -v 'Say more: -vv shows ONNX Runtime''s own messages'
            cand --verbose 'Say more: -vv shows ONNX Runtime''s own messages'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
        }
    ]
    $completions[$command]
}
