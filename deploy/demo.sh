#!/usr/bin/env bash
# deploy/demo.sh BUILD: serves the shipped model, sends a handful of different requests at the same moment, shows one picture
# forming, writes the pictures and one contact sheet to out/, and stops the server cleanly.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
easel=$build/client/easel
mkdir -p out
log=out/easeld.log

"$build/server/easeld" --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 >out/easeld.out 2>"$log" &
server=$!
stop() { kill -TERM "$server" 2>/dev/null || true; }
trap stop EXIT
for _ in $(seq 100); do
  address=$(sed -n 's/^listening on //p' out/easeld.out)
  [ -n "$address" ] && break
  kill -0 "$server" 2>/dev/null || { echo "demo: easeld did not start:" >&2; cat "$log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$address" ] || { echo "demo: easeld said nothing for 10 s; its log is $log" >&2; exit 1; }
export EASEL_SERVER=$address
echo "demo: easeld listens on $address"
"$easel" models

# Different prompts, steps, guidance, samplers and seeds, classes, one unconditional: they share the denoising steps.
pids=()
draw() { "$easel" generate "${@:2}" -o "out/$1.png" 2>>"out/requests.log" >>"out/requests.log" & pids+=($!); }
: >out/requests.log
draw 01-red-apple      "red apple" --seed 1
draw 02-cat-face       "cat face" --steps 20 --seed 2
draw 03-hamburger      "hamburger" --steps 50 --guidance-scale 4 --seed 3
draw 04-red-heart      "red heart" --sampler heun --steps 15 --seed 4
draw 05-soccer-ball    "soccer ball" --guidance-scale 1 --seed 5
draw 06-sailboat       "sailboat" --seed 6
draw 07-fruit          --class-name fruit --seed 7
draw 08-vehicle        --class-name vehicle --seed 8
draw 09-bird           --class-name bird --steps 40 --seed 12
draw 10-unconditional  --seed 10
echo "demo: 10 requests are on their way; watching one more form:"
preview=()
[ -t 1 ] && preview=(--preview 2)
"$easel" generate "sunflower" --seed 11 "${preview[@]}" -o out/11-sunflower.png
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
cat out/requests.log
[ "$failed" -eq 0 ] || { echo "demo: $failed requests failed" >&2; exit 1; }

python3 deploy/contact_sheet.py out/contact-sheet.png out/[0-9][0-9]-*.png
kill -TERM "$server"
trap - EXIT
wait "$server" && echo "demo: easeld stopped cleanly; see out/contact-sheet.png"
