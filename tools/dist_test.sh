#!/usr/bin/env bash
# Run test.py with one process per GPU (or that many CPU processes if there is no GPU):
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# For several machines, set NNODES, NODE_RANK, MASTER_ADDR and PORT on each.
set -euo pipefail
if [ $# -lt 3 ]; then echo "usage: $0 CONFIG CHECKPOINT GPUS [options of test.py]" >&2; exit 2; fi
CONFIG=$1; CHECKPOINT=$2; GPUS=$3; shift 3

exec "${PYTHON:-python}" "$(dirname "${BASH_SOURCE[0]}")/launch/torchrun.py" \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$GPUS" \
    "$(dirname "${BASH_SOURCE[0]}")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
