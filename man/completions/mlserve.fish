# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mlserve_global_optspecs
    string join \n licenses h/help V/version
end

function __fish_mlserve_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mlserve_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mlserve_using_subcommand
    set -l cmd (__fish_mlserve_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mlserve -n "__fish_mlserve_needs_command" -l licenses -d 'Print the licences of the ONNX Runtime inside this program'
complete -c mlserve -n "__fish_mlserve_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlserve -n "__fish_mlserve_needs_command" -s V -l version -d 'Print version'
complete -c mlserve -n "__fish_mlserve_needs_command" -f -a "predict" -d 'Score the records of files, folders or a pipe, on all cores, in input order'
complete -c mlserve -n "__fish_mlserve_needs_command" -f -a "serve" -d 'Answer requests for predictions over HTTP'
complete -c mlserve -n "__fish_mlserve_needs_command" -f -a "inspect" -d 'Show what goes into a model, what comes out and what is inside'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -s o -l output -d 'Write to FILE instead of standard output; a file appears whole or not at all' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l output-dir -d 'Write one output for each input to DIR, with the same relative name; --rejects, --manifest, --report and --profile are folders then, too' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l from -d 'Format of the input; by default from the file\'s extension or first bytes' -r -f -a "csv\t''
tsv\t''
jsonl\t'One JSON object a line'
parquet\t''
arrow\t'Arrow IPC file (Feather)'
arrow-stream\t'Arrow IPC stream'
npy\t'One NumPy array'
npz\t'Named NumPy arrays'"
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l to -d 'Format of the output; by default from the extension of --output, else as the input, or CSV where that is a table' -r -f -a "csv\t''
tsv\t''
jsonl\t'One JSON object a line'
parquet\t''
arrow\t'Arrow IPC file (Feather)'
arrow-stream\t'Arrow IPC stream'
npy\t'One NumPy array'
npz\t'Named NumPy arrays'"
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -s d -l delimiter -d 'Character between the fields of CSV input, or "tab"; the output has the same' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l out-delimiter -d 'Character between the fields of CSV output, or "tab"' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l encoding -d 'Encoding of text input without a byte order mark: latin1, windows-1252, utf-16le, shift_jis...' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l nan-as -d 'Write NaN as TEXT and infinities as inf in CSV; by default both are empty' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l keep -d 'Columns copied to the output: unused (what the model does not consume), all, none or a list' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l features -d 'Columns of the model\'s one matrix input, in the model\'s order' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l id -d 'Columns that identify a record and are no features' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l label -d 'Column with the true label, which is no feature; metrics are printed at the end' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l exclude -d 'Further columns that are no features' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l set -d 'Give an input that does not change from record to record (a scalar, a state)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l missing -d 'Texts that mean a missing value in numeric columns, besides the empty one' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l fill -d 'Read missing values of a column as VALUE' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l outputs -d 'Model outputs to show; all by default' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l classes -d 'Names of the classes, in the model\'s order' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l activation -d 'Apply a function to raw scores' -r -f -a "sigmoid\t''
softmax\t''"
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l threshold -d 'Decide for the positive class from this probability on (two classes)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l top -d 'Show only the K best classes and their scores' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l report -d 'Write a page about the run to FILE (HTML): distributions, metrics, missing values, rejects' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l profile -d 'Write the distributions of the model\'s inputs and predictions to FILE (JSON), for serve --baseline' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l on-error -d 'End the run, leave the record out, or keep it with empty predictions; skip with --rejects or --max-errors, else fail' -r -f -a "fail\t'End the run; nothing half-written is left'
skip\t'Leave the record out'
null\t'Keep the record with empty predictions'"
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l rejects -d 'Tell of each such record in FILE (JSONL: file, line, column, code, message, record)' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l max-errors -d 'Fail when there are more than N, or more than P% of all records' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l max-record-bytes -d 'Longest record, such as 64M; a longer one cannot be scored' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l shard -d 'Score only part I of N of the input, counted from 1; the parts\' outputs one after the other are the whole output' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l shards -d 'Score the part of N that the environment names (JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, SLURM_ARRAY_TASK_ID)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l manifest -d 'Write a JSON account of the run to FILE: what was scored, by what, with which outcome' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l limit -d 'Score only the first N records' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -s j -l jobs -d 'Threads that score; by default as many as this process may use, less those of --intra-op' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l batch-size -d 'Records of one run of the model; the last bits of predictions may depend on it' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l intra-op -d 'Threads inside one run of the model, out of one pool for all; the last bits of predictions may depend on it. Pays where batches are few and large; tree ensembles stay on one thread' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l runtime -d 'Use this ONNX Runtime library instead of the built-in one' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l provider -d 'Run models on this execution provider, such as cuda:device_id=1; may be given several times, the first takes what it can. With "cpu" last the CPU runs what is left, else that is an error' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l provider-library -d 'Load execution providers from this library of theirs' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l trees -d 'What evaluates tree ensembles: mlserve\'s own kernel where it can, with the same scores, or ONNX Runtime' -r -f -a "auto\t'mlserve\'s kernel for those that it knows'
ort\t'ONNX Runtime for all'"
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l no-header -d 'The first line is a record: columns are called 1, 2, 3... and the output has no header'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l allow-missing-columns -d 'Score columns that the input lacks as missing values'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l missing-in-strings -d 'Apply --missing to string columns too'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l lenient -d 'Accept numbers in quotes in JSON'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l argmax -d 'Show only the best class'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l resume -d 'Go on where an interrupted run with the same command line stopped; needs --output or --output-dir'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l force -d 'Score anew what --resume or a shard has already finished'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l stream -d 'Score records as they arrive and write each batch at once; batches, and with them the last bits of predictions, then depend on timing'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l explain -d 'Print which column feeds which input and which columns come out; score nothing'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -s q -l quiet -d 'No progress bar, no notes, no closing line'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -l allow-known-bad-runtime -d 'Use a runtime even if its version is known to give wrong answers'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -s v -l verbose -d 'Say more: -vv shows ONNX Runtime\'s own messages'
complete -c mlserve -n "__fish_mlserve_using_subcommand predict" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l config -d 'Take flags from FILE (TOML) as well: its keys are their names, and `models` the models. What is typed goes first. SIGHUP reads it anew' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l versions -d 'Versions that are served: latest, latest N, all, or such as 1,3; by default the latest' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l label -d 'Names for versions, such as \'iris: stable=1 canary=2\'' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l default -d 'Version or label that answers where none is asked for; by default the highest version' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l route -d 'Share requests that ask for no version out by weights, such as \'iris: stable=95 canary=5\'' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l sticky -d 'Header field whose value keeps a client with one version; by default each request is drawn by its id' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l shadow -d 'Version or label that runs beside the one that answers, and is only compared with it (/metrics)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l watch-interval-ms -d 'Milliseconds between two looks; what is the same in two of them is loaded' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l host -d 'Address to listen on; 0.0.0.0 or [::] is all of this machine\'s. By default 127.0.0.1, and in a container of Vertex AI or SageMaker 0.0.0.0' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -s p -l port -d 'Port to listen on; 0 takes a free one. By default what PORT, AIP_HTTP_PORT or SAGEMAKER_BIND_TO_PORT says, else 8080' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l listen -d 'Listen here instead: HOST:PORT, or unix:PATH; may be given several times' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l tls-cert -d 'Speak HTTPS on TCP, with the certificates of FILE (PEM, the server\'s own first)' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l tls-key -d 'The key of the certificate (PEM, not encrypted)' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l token-file -d 'Answer only requests with a token of FILE, one a line (Authorization: Bearer, or X-API-Key); by default what MLSERVE_TOKEN holds, else all. Health paths stay open' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l cors -d 'Let pages of ORIGIN ask, such as https://example.org, or * for all; may be given several times' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l log -d 'A line on standard error for each request: text, or none with --quiet, by default' -r -f -a "text\t''
json\t'One object a line'
none\t''"
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l baseline -d 'Hold the records of a model against a profile that predict --profile made: GET /drift and metrics say how far they are from it. NAME=FILE where there are several models; may be given several times' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l drift-window -d 'Records that are held against the baseline: the last N' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l record -d 'Write each record with its prediction to FILE (JSONL), which predict reads and scores again. Readable by the owner alone' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l record-sample -d 'Share of requests that are recorded, from 0 to 1, chosen by the hash of their ids' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l record-max -d 'Begin a new file at this size: FILE becomes FILE.1, FILE.1 becomes FILE.2...' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l record-keep -d 'Full files that are kept' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l redact -d 'Fields that are recorded as null; of those that feed the model predict then makes another prediction, or none' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-body -d 'Largest body of a request, also after it is unpacked' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-reply -d 'Largest answer that is made in memory (413 beyond it); NDJSON is answered line by line and has no limit' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-head -d 'Largest head of a request' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-fields -d 'Most header fields of a request' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-url -d 'Longest path with its query' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-connections -d 'Most connections at once; further ones are told to come back (503)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-requests -d 'Most requests that are worked on at once; further ones are told to come back (503). Health paths are always answered, and a request counts once its body is there' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l timeout-s -d 'Seconds that an answer may take (504 after that); 0 is no limit' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l header-timeout-s -d 'Seconds in which the head of a request must have come' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l body-timeout-s -d 'Seconds in which more of a body must have come' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l idle-timeout-s -d 'Seconds that a connection may wait for its next request' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l write-timeout-s -d 'Seconds in which a client must take more of its answer' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l grace-s -d 'Seconds in which requests are finished after SIGTERM or Ctrl-C; a second signal ends at once' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l compress-from -d 'Answers of this size on are compressed for clients that accept it' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l batch-size -d 'Most records of one run of the model' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-batch -d 'Most records of what waits for a model and is run together; 1 runs each request alone. By default what --batch-size says' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l max-queue -d 'Most requests that wait for one model; further ones are told to come back (503)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l batch-delay-ms -d 'Milliseconds that a request waits for others, also while a thread is free: for accelerators' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l threads -d 'Runs of models at once, over all models; by default as many as this process may use threads (affinity and cgroup quota count), less those of --intra-op' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l intra-op -d 'Threads inside one run of a model, out of one pool for all models; the last bits of predictions may depend on it. Pays for large models and few clients; tree ensembles stay on one thread' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l features -d 'Fields of the model\'s one matrix input, in the model\'s order' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l set -d 'Give an input that does not change from record to record (a scalar, a state)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l nan -d 'What JSON answers have for NaN and infinities, which it cannot say' -r -f -a "null\t''
token\t'The bare tokens NaN, Infinity and -Infinity, which Python reads'"
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l missing -d 'Texts that mean a missing value in numeric columns, besides the empty one' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l fill -d 'Read missing values of a column as VALUE' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l outputs -d 'Model outputs to show; all by default' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l classes -d 'Names of the classes, in the model\'s order' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l activation -d 'Apply a function to raw scores' -r -f -a "sigmoid\t''
softmax\t''"
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l threshold -d 'Decide for the positive class from this probability on (two classes)' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l top -d 'Show only the K best classes and their scores' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l runtime -d 'Use this ONNX Runtime library instead of the built-in one' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l provider -d 'Run models on this execution provider, such as cuda:device_id=1; may be given several times, the first takes what it can. With "cpu" last the CPU runs what is left, else that is an error' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l provider-library -d 'Load execution providers from this library of theirs' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l trees -d 'What evaluates tree ensembles: mlserve\'s own kernel where it can, with the same scores, or ONNX Runtime' -r -f -a "auto\t'mlserve\'s kernel for those that it knows'
ort\t'ONNX Runtime for all'"
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l watch -d 'Load models again when their files change, and versions and models that are new'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l refuse-breaks -d 'Do not serve a version that lacks an input or output of the version before it, or has other types'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l admin -d 'Let models be loaded, unloaded and set over HTTP (/models/NAME/load, /v2/repository/...)'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -s q -l quiet -d 'No banner at the start, no line for each request'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l allow-missing-columns -d 'Score fields that a record lacks as missing values'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l strict -d 'Refuse records with fields that the model has no use for'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l missing-in-strings -d 'Apply --missing to string columns too'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l lenient -d 'Accept numbers in quotes in JSON'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l argmax -d 'Show only the best class'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -l allow-known-bad-runtime -d 'Use a runtime even if its version is known to give wrong answers'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -s v -l verbose -d 'Say more: -vv shows ONNX Runtime\'s own messages'
complete -c mlserve -n "__fish_mlserve_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l example -d 'Print a ready input for predict or the server instead' -r -f -a "csv\t''
jsonl\t''
curl\t''"
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l diff -d 'Say what changed from this model to NEW; exit code 1 where callers of this one break' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l batch -d 'Records of the run that --memory and --flops tell of; several after commas' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l dim -d 'Size of a free dimension, such as sequence=128, for --memory and --flops; may be given several times' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l top -d 'Most rows of a table; JSON has all' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l runtime -d 'Use this ONNX Runtime library instead of the built-in one' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l provider -d 'Run models on this execution provider, such as cuda:device_id=1; may be given several times, the first takes what it can. With "cpu" last the CPU runs what is left, else that is an error' -r
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l provider-library -d 'Load execution providers from this library of theirs' -r -F
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l trees -d 'What evaluates tree ensembles: mlserve\'s own kernel where it can, with the same scores, or ONNX Runtime' -r -f -a "auto\t'mlserve\'s kernel for those that it knows'
ort\t'ONNX Runtime for all'"
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l json -d 'Print JSON with stable keys'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l check -d 'Load the model into ONNX Runtime, run one made-up batch and report what happened'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l ops -d 'Operators with their opsets and counts, and which of them the built-in ONNX Runtime lacks'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l weights -d 'Tensors of weights by size: dtype, range, zeros, NaN, quantization; reads all of their values'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l ensembles -d 'Tree ensembles: their size, depth and leaves, and the features that they ask for most (--trees says what evaluates them)'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l memory -d 'Estimate the memory of a run: weights, and the most that lies between operators at once'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l flops -d 'Count the arithmetic of a run by operator, as far as shapes are known'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l metadata -d 'All metadata and documentation in full'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -l allow-known-bad-runtime -d 'Use a runtime even if its version is known to give wrong answers'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -s v -l verbose -d 'Say more: -vv shows ONNX Runtime\'s own messages'
complete -c mlserve -n "__fish_mlserve_using_subcommand inspect" -s h -l help -d 'Print help (see more with \'--help\')'
