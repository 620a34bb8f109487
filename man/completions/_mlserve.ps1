
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'mlserve' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'mlserve'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'mlserve' {
            [CompletionResult]::new('--licenses', '--licenses', [CompletionResultType]::ParameterName, 'Print the licences of the ONNX Runtime inside this program')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('predict', 'predict', [CompletionResultType]::ParameterValue, 'Score the records of files, folders or a pipe, on all cores, in input order')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Answer requests for predictions over HTTP')
            [CompletionResult]::new('inspect', 'inspect', [CompletionResultType]::ParameterValue, 'Show what goes into a model, what comes out and what is inside')
            break
        }
        'mlserve;predict' {
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Write to FILE instead of standard output; a file appears whole or not at all')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Write to FILE instead of standard output; a file appears whole or not at all')
            [CompletionResult]::new('--output-dir', '--output-dir', [CompletionResultType]::ParameterName, 'Write one output for each input to DIR, with the same relative name; --rejects, --manifest and --report are folders then, too')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Format of the input; by default from the file''s extension or first bytes')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Format of the output; by default from the extension of --output, else as the input, or CSV where that is a table')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Character between the fields of CSV input, or "tab"; the output has the same')
            [CompletionResult]::new('--delimiter', '--delimiter', [CompletionResultType]::ParameterName, 'Character between the fields of CSV input, or "tab"; the output has the same')
            [CompletionResult]::new('--out-delimiter', '--out-delimiter', [CompletionResultType]::ParameterName, 'Character between the fields of CSV output, or "tab"')
            [CompletionResult]::new('--encoding', '--encoding', [CompletionResultType]::ParameterName, 'Encoding of text input without a byte order mark: latin1, windows-1252, utf-16le, shift_jis...')
            [CompletionResult]::new('--nan-as', '--nan-as', [CompletionResultType]::ParameterName, 'Write NaN as TEXT and infinities as inf in CSV; by default both are empty')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Columns copied to the output: unused (what the model does not consume), all, none or a list')
            [CompletionResult]::new('--features', '--features', [CompletionResultType]::ParameterName, 'Columns of the model''s one matrix input, in the model''s order')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'Columns that identify a record and are no features')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Column with the true label, which is no feature; metrics are printed at the end')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Further columns that are no features')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Give an input that does not change from record to record (a scalar, a state)')
            [CompletionResult]::new('--missing', '--missing', [CompletionResultType]::ParameterName, 'Texts that mean a missing value in numeric columns, besides the empty one')
            [CompletionResult]::new('--fill', '--fill', [CompletionResultType]::ParameterName, 'Read missing values of a column as VALUE')
            [CompletionResult]::new('--outputs', '--outputs', [CompletionResultType]::ParameterName, 'Model outputs to show; all by default')
            [CompletionResult]::new('--classes', '--classes', [CompletionResultType]::ParameterName, 'Names of the classes, in the model''s order')
            [CompletionResult]::new('--activation', '--activation', [CompletionResultType]::ParameterName, 'Apply a function to raw scores')
            [CompletionResult]::new('--threshold', '--threshold', [CompletionResultType]::ParameterName, 'Decide for the positive class from this probability on (two classes)')
            [CompletionResult]::new('--top', '--top', [CompletionResultType]::ParameterName, 'Show only the K best classes and their scores')
            [CompletionResult]::new('--report', '--report', [CompletionResultType]::ParameterName, 'Write a page about the run to FILE (HTML): distributions, metrics, missing values, rejects')
            [CompletionResult]::new('--on-error', '--on-error', [CompletionResultType]::ParameterName, 'End the run, leave the record out, or keep it with empty predictions; skip with --rejects or --max-errors, else fail')
            [CompletionResult]::new('--rejects', '--rejects', [CompletionResultType]::ParameterName, 'Tell of each such record in FILE (JSONL: file, line, column, code, message, record)')
            [CompletionResult]::new('--max-errors', '--max-errors', [CompletionResultType]::ParameterName, 'Fail when there are more than N, or more than P% of all records')
            [CompletionResult]::new('--max-record-bytes', '--max-record-bytes', [CompletionResultType]::ParameterName, 'Longest record, such as 64M; a longer one cannot be scored')
            [CompletionResult]::new('--shard', '--shard', [CompletionResultType]::ParameterName, 'Score only part I of N of the input, counted from 1; the parts'' outputs one after the other are the whole output')
            [CompletionResult]::new('--shards', '--shards', [CompletionResultType]::ParameterName, 'Score the part of N that the environment names (JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, SLURM_ARRAY_TASK_ID)')
            [CompletionResult]::new('--manifest', '--manifest', [CompletionResultType]::ParameterName, 'Write a JSON account of the run to FILE: what was scored, by what, with which outcome')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Score only the first N records')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'Threads that score; by default as many as this process may use, less those of --intra-op')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'Threads that score; by default as many as this process may use, less those of --intra-op')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'Records of one run of the model; the last bits of predictions may depend on it')
            [CompletionResult]::new('--intra-op', '--intra-op', [CompletionResultType]::ParameterName, 'Threads inside one run of the model, out of one pool for all; the last bits of predictions may depend on it. Pays where batches are few and large; tree ensembles stay on one thread')
            [CompletionResult]::new('--runtime', '--runtime', [CompletionResultType]::ParameterName, 'Use this ONNX Runtime library instead of the built-in one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Run models on this execution provider, such as cuda:device_id=1; may be given several times, the first takes what it can. With "cpu" last the CPU runs what is left, else that is an error')
            [CompletionResult]::new('--provider-library', '--provider-library', [CompletionResultType]::ParameterName, 'Load execution providers from this library of theirs')
            [CompletionResult]::new('--trees', '--trees', [CompletionResultType]::ParameterName, 'What evaluates tree ensembles: mlserve''s own kernel where it can, with the same scores, or ONNX Runtime')
            [CompletionResult]::new('--no-header', '--no-header', [CompletionResultType]::ParameterName, 'The first line is a record: columns are called 1, 2, 3... and the output has no header')
            [CompletionResult]::new('--allow-missing-columns', '--allow-missing-columns', [CompletionResultType]::ParameterName, 'Score columns that the input lacks as missing values')
            [CompletionResult]::new('--missing-in-strings', '--missing-in-strings', [CompletionResultType]::ParameterName, 'Apply --missing to string columns too')
            [CompletionResult]::new('--lenient', '--lenient', [CompletionResultType]::ParameterName, 'Accept numbers in quotes in JSON')
            [CompletionResult]::new('--argmax', '--argmax', [CompletionResultType]::ParameterName, 'Show only the best class')
            [CompletionResult]::new('--resume', '--resume', [CompletionResultType]::ParameterName, 'Go on where an interrupted run with the same command line stopped; needs --output or --output-dir')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Score anew what --resume or a shard has already finished')
            [CompletionResult]::new('--stream', '--stream', [CompletionResultType]::ParameterName, 'Score records as they arrive and write each batch at once; batches, and with them the last bits of predictions, then depend on timing')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Print which column feeds which input and which columns come out; score nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar, no notes, no closing line')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar, no notes, no closing line')
            [CompletionResult]::new('--allow-known-bad-runtime', '--allow-known-bad-runtime', [CompletionResultType]::ParameterName, 'Use a runtime even if its version is known to give wrong answers')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: -vv shows ONNX Runtime''s own messages')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: -vv shows ONNX Runtime''s own messages')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlserve;serve' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Take flags from FILE (TOML) as well: its keys are their names, and `models` the models. What is typed goes first. SIGHUP reads it anew')
            [CompletionResult]::new('--versions', '--versions', [CompletionResultType]::ParameterName, 'Versions that are served: latest, latest N, all, or such as 1,3; by default the latest')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Names for versions, such as ''iris: stable=1 canary=2''')
            [CompletionResult]::new('--default', '--default', [CompletionResultType]::ParameterName, 'Version or label that answers where none is asked for; by default the highest version')
            [CompletionResult]::new('--route', '--route', [CompletionResultType]::ParameterName, 'Share requests that ask for no version out by weights, such as ''iris: stable=95 canary=5''')
            [CompletionResult]::new('--sticky', '--sticky', [CompletionResultType]::ParameterName, 'Header field whose value keeps a client with one version; by default each request is drawn by its id')
            [CompletionResult]::new('--shadow', '--shadow', [CompletionResultType]::ParameterName, 'Version or label that runs beside the one that answers, and is only compared with it (/metrics)')
            [CompletionResult]::new('--watch-interval-ms', '--watch-interval-ms', [CompletionResultType]::ParameterName, 'Milliseconds between two looks; what is the same in two of them is loaded')
            [CompletionResult]::new('--host', '--host', [CompletionResultType]::ParameterName, 'Address to listen on; 0.0.0.0 or [::] is all of this machine''s. By default 127.0.0.1, and in a container of Vertex AI or SageMaker 0.0.0.0')
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Port to listen on; 0 takes a free one. By default what PORT, AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT says, else 8080')
            [CompletionResult]::new('--port', '--port', [CompletionResultType]::ParameterName, 'Port to listen on; 0 takes a free one. By default what PORT, AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT says, else 8080')
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Listen here instead: HOST:PORT, or unix:PATH; may be given several times')
            [CompletionResult]::new('--token-file', '--token-file', [CompletionResultType]::ParameterName, 'Answer only requests with a token of FILE, one a line (Authorization: Bearer, or X-API-Key); by default what MLSERVE_TOKEN holds, else all. Health paths stay open')
            [CompletionResult]::new('--cors', '--cors', [CompletionResultType]::ParameterName, 'Let pages of ORIGIN ask, such as https://example.org, or * for all; may be given several times')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'A line on standard error for each request: text, or none with --quiet, by default')
            [CompletionResult]::new('--max-body', '--max-body', [CompletionResultType]::ParameterName, 'Largest body of a request, also after it is unpacked')
            [CompletionResult]::new('--max-head', '--max-head', [CompletionResultType]::ParameterName, 'Largest head of a request')
            [CompletionResult]::new('--max-fields', '--max-fields', [CompletionResultType]::ParameterName, 'Most header fields of a request')
            [CompletionResult]::new('--max-url', '--max-url', [CompletionResultType]::ParameterName, 'Longest path with its query')
            [CompletionResult]::new('--max-connections', '--max-connections', [CompletionResultType]::ParameterName, 'Most connections at once; further ones are told to come back (503)')
            [CompletionResult]::new('--max-requests', '--max-requests', [CompletionResultType]::ParameterName, 'Most requests that are worked on at once; further ones are told to come back (503)')
            [CompletionResult]::new('--timeout-s', '--timeout-s', [CompletionResultType]::ParameterName, 'Seconds that an answer may take (504 after that); 0 is no limit')
            [CompletionResult]::new('--header-timeout-s', '--header-timeout-s', [CompletionResultType]::ParameterName, 'Seconds in which the head of a request must have come')
            [CompletionResult]::new('--body-timeout-s', '--body-timeout-s', [CompletionResultType]::ParameterName, 'Seconds in which more of a body must have come')
            [CompletionResult]::new('--idle-timeout-s', '--idle-timeout-s', [CompletionResultType]::ParameterName, 'Seconds that a connection may wait for its next request')
            [CompletionResult]::new('--write-timeout-s', '--write-timeout-s', [CompletionResultType]::ParameterName, 'Seconds in which a client must take more of its answer')
            [CompletionResult]::new('--grace-s', '--grace-s', [CompletionResultType]::ParameterName, 'Seconds in which requests are finished after SIGTERM or Ctrl-C; a second signal ends at once')
            [CompletionResult]::new('--compress-from', '--compress-from', [CompletionResultType]::ParameterName, 'Answers of this size on are compressed for clients that accept it')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'Most records of one run of the model')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'Runs of models at once, over all models; by default as many as this process may use threads (affinity and cgroup quota count), less those of --intra-op')
            [CompletionResult]::new('--intra-op', '--intra-op', [CompletionResultType]::ParameterName, 'Threads inside one run of a model, out of one pool for all models; the last bits of predictions may depend on it. Pays for large models and few clients; tree ensembles stay on one thread')
            [CompletionResult]::new('--mem-limit', '--mem-limit', [CompletionResultType]::ParameterName, 'Most memory that the process may have once a model is loaded; a model that would not fit is refused. Runs take memory on top, by the size of their batches')
            [CompletionResult]::new('--features', '--features', [CompletionResultType]::ParameterName, 'Fields of the model''s one matrix input, in the model''s order')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Give an input that does not change from record to record (a scalar, a state)')
            [CompletionResult]::new('--nan', '--nan', [CompletionResultType]::ParameterName, 'What JSON answers have for NaN and infinities, which it cannot say')
            [CompletionResult]::new('--missing', '--missing', [CompletionResultType]::ParameterName, 'Texts that mean a missing value in numeric columns, besides the empty one')
            [CompletionResult]::new('--fill', '--fill', [CompletionResultType]::ParameterName, 'Read missing values of a column as VALUE')
            [CompletionResult]::new('--outputs', '--outputs', [CompletionResultType]::ParameterName, 'Model outputs to show; all by default')
            [CompletionResult]::new('--classes', '--classes', [CompletionResultType]::ParameterName, 'Names of the classes, in the model''s order')
            [CompletionResult]::new('--activation', '--activation', [CompletionResultType]::ParameterName, 'Apply a function to raw scores')
            [CompletionResult]::new('--threshold', '--threshold', [CompletionResultType]::ParameterName, 'Decide for the positive class from this probability on (two classes)')
            [CompletionResult]::new('--top', '--top', [CompletionResultType]::ParameterName, 'Show only the K best classes and their scores')
            [CompletionResult]::new('--runtime', '--runtime', [CompletionResultType]::ParameterName, 'Use this ONNX Runtime library instead of the built-in one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Run models on this execution provider, such as cuda:device_id=1; may be given several times, the first takes what it can. With "cpu" last the CPU runs what is left, else that is an error')
            [CompletionResult]::new('--provider-library', '--provider-library', [CompletionResultType]::ParameterName, 'Load execution providers from this library of theirs')
            [CompletionResult]::new('--trees', '--trees', [CompletionResultType]::ParameterName, 'What evaluates tree ensembles: mlserve''s own kernel where it can, with the same scores, or ONNX Runtime')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Load models again when their files change, and versions and models that are new')
            [CompletionResult]::new('--refuse-breaks', '--refuse-breaks', [CompletionResultType]::ParameterName, 'Do not serve a version that lacks an input or output of the version before it, or has other types')
            [CompletionResult]::new('--admin', '--admin', [CompletionResultType]::ParameterName, 'Let models be loaded, unloaded and set over HTTP (/models/NAME/load, /v2/repository/...)')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No banner at the start, no line for each request')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No banner at the start, no line for each request')
            [CompletionResult]::new('--allow-missing-columns', '--allow-missing-columns', [CompletionResultType]::ParameterName, 'Score fields that a record lacks as missing values')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Refuse records with fields that the model has no use for')
            [CompletionResult]::new('--missing-in-strings', '--missing-in-strings', [CompletionResultType]::ParameterName, 'Apply --missing to string columns too')
            [CompletionResult]::new('--lenient', '--lenient', [CompletionResultType]::ParameterName, 'Accept numbers in quotes in JSON')
            [CompletionResult]::new('--argmax', '--argmax', [CompletionResultType]::ParameterName, 'Show only the best class')
            [CompletionResult]::new('--allow-known-bad-runtime', '--allow-known-bad-runtime', [CompletionResultType]::ParameterName, 'Use a runtime even if its version is known to give wrong answers')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: -vv shows ONNX Runtime''s own messages')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: -vv shows ONNX Runtime''s own messages')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mlserve;inspect' {
            [CompletionResult]::new('--example', '--example', [CompletionResultType]::ParameterName, 'Print a ready input for predict or the server instead')
            [CompletionResult]::new('--runtime', '--runtime', [CompletionResultType]::ParameterName, 'Use this ONNX Runtime library instead of the built-in one')
            [CompletionResult]::new('--provider', '--provider', [CompletionResultType]::ParameterName, 'Run models on this execution provider, such as cuda:device_id=1; may be given several times, the first takes what it can. With "cpu" last the CPU runs what is left, else that is an error')
            [CompletionResult]::new('--provider-library', '--provider-library', [CompletionResultType]::ParameterName, 'Load execution providers from this library of theirs')
            [CompletionResult]::new('--trees', '--trees', [CompletionResultType]::ParameterName, 'What evaluates tree ensembles: mlserve''s own kernel where it can, with the same scores, or ONNX Runtime')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print JSON with stable keys')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Load the model into ONNX Runtime, run one made-up batch and report what happened')
            [CompletionResult]::new('--allow-known-bad-runtime', '--allow-known-bad-runtime', [CompletionResultType]::ParameterName, 'Use a runtime even if its version is known to give wrong answers')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more: -vv shows ONNX Runtime''s own messages')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more: -vv shows ONNX Runtime''s own messages')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
