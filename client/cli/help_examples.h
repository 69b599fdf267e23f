// What `easel --help` and `easel COMMAND --help` end with.
#pragma once

namespace easel {

inline constexpr char kExamples[] =
    "Examples:\n"
    "  easel generate red apple -o apple.png\n"
    "  easel generate --class-name food -n 4 -o food.png      writes food-0.png to food-3.png\n"
    "  easel generate red apple --preview 2                   watch it form in the terminal\n"
    "  id=$(easel submit red apple) && easel watch $id        start it now, look at it later\n"
    "  easel load --rate 5 --requests 500                     how the server does under load\n"
    "  easel models\n"
    "  easel health --server 10.0.0.5:50051 --json\n"
    "\n"
    "`easel COMMAND --help` tells more of each.\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 130 Ctrl-C.\n";

inline constexpr char kGenerateExamples[] =
    "Examples:\n"
    "  easel generate red apple -o apple.png\n"
    "  easel generate \"a blue car\" --steps 40 --guidance-scale 5 --seed 7 -o car.webp\n"
    "  easel generate --class-name food -n 4 -o food.png      writes food-0.png to food-3.png\n"
    "  easel generate --like apple.png --seed 8               the same, from another seed\n"
    "  easel generate red apple --detach-on-disconnect        Ctrl-C does not stop it: easel watch ID\n";

inline constexpr char kSubmitExamples[] =
    "Prints the generation's id on stdout and returns at once.\n"
    "Examples:\n"
    "  id=$(easel submit red apple --steps 40)\n"
    "  easel submit red apple --request-id order-17           again: the same generation, not another\n"
    "  easel submit red apple --preview 2                     with previews, for easel watch\n";

inline constexpr char kWatchExamples[] =
    "Ctrl-C stops the watching; the generation goes on.\n"
    "Examples:\n"
    "  easel watch ID -o apple.png\n"
    "  easel watch ID --json                                  one event a line\n";

inline constexpr char kGetExamples[] =
    "Examples:\n"
    "  easel get ID                                           where it stands\n"
    "  easel get ID -o apple.png                              its pictures; exit code 1 before they are "
    "done\n";

inline constexpr char kCancelExamples[] =
    "What is finished stays as it is; cancelling twice, or too late, is no error.\n"
    "Example:\n"
    "  easel cancel ID\n";

inline constexpr char kLoadExamples[] =
    "Latencies count from the time that a request was due. First each kind of request is timed alone.\n"
    "A mix is a JSON list; `request` is as in the API's JSON, the rest may be left out:\n"
    "  [{\"weight\": 2, \"request\": {\"prompt\": \"red apple\", \"num_inference_steps\": 20},\n"
    "    \"tenant\": \"shop\", \"deadline_factor\": 3}]\n"
    "Examples:\n"
    "  easel load --rate 5 --requests 1000                    open loop: Poisson, five a second\n"
    "  easel load --rate 5 --burst --duration 60 --json       in bursts, for a minute\n"
    "  easel load --concurrency 8 --requests 200 --verify     closed loop; every picture compared\n"
    "  easel load --concurrency 8 --requests 200 --retries 9  what a caller sees who tries again\n"
    "  easel load --rate 5 --requests 500 --slo 3 --deadline  what misses three times its latency alone is "
    "cut\n";

inline constexpr char kModelsExamples[] =
    "Examples:\n"
    "  easel models\n"
    "  easel models --json                                    all of it: limits, samplers, class names\n";

inline constexpr char kHealthExamples[] =
    "Examples:\n"
    "  easel health --server 10.0.0.5:50051\n"
    "  easel health --json                                    of each model, too\n";

inline constexpr char kOfEvery[] =
    "--server, --json, and what gets one in (--tls-ca, --api-key-file, ...) go with every command: `easel "
    "--help`.\n";

}  // namespace easel
