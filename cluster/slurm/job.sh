#!/usr/bin/env bash
# A dlogreg command on the workers of one SLURM job:
#
#     sbatch cluster/slurm/job.sh fit STORE --model MODEL
#
# Submit it in the root of the repository, in the environment of the client; every task of
# the job becomes a worker. The certificates are made for this job alone, in a folder that
# its nodes must share, and are gone with it. A minute before the time limit the fit is
# interrupted and saves its best point.
#
#SBATCH --job-name=dlogreg
#SBATCH --ntasks=2
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=4:00:00
#SBATCH --signal=B:INT@60
#SBATCH --output=dlogreg-%j.log
set -euo pipefail

test $# -gt 0 || { echo "usage: sbatch cluster/slurm/job.sh COMMAND..." >&2; exit 2; }
cluster=${DLOGREG_CLUSTER:-$SLURM_SUBMIT_DIR/cluster}
python=${PYTHON:-python3}
threads=${SLURM_CPUS_PER_TASK:-1}
memory=auto
test -z "${SLURM_MEM_PER_CPU:-}" || memory=$((SLURM_MEM_PER_CPU * threads))MiB
umask 077
folder=$(mktemp -d "${DLOGREG_SHARED:-$SLURM_SUBMIT_DIR}/.dlogreg-job-$SLURM_JOB_ID-XXXX")
export OMP_NUM_THREADS=1

client=
end() {
    kill "${scheduler:-}" "${workers:-}" 2>/dev/null || true
    wait || true
    rm -rf "$folder"
}
trap end EXIT
trap 'test -z "$client" || kill -INT "$client"' INT

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
"$cluster/certificates" "$folder" "${hosts[@]}"
rm "$folder/ca.key"
export DASK_CONFIG=$folder/dask.yaml
tls() { echo --tls-ca-file "$folder/ca.pem" --tls-cert "$folder/$1.pem" --tls-key "$folder/$1.key"; }

# the batch step runs on the first host of the job
# shellcheck disable=SC2046
"$python" -m dask scheduler --protocol tls --host "${hosts[0]}" --port 0 \
    --dashboard-address 127.0.0.1:0 --scheduler-file "$folder/scheduler.json" \
    $(tls "${hosts[0]}") 2>"$folder/scheduler.log" &
scheduler=$!
for _ in {1..600}; do test -s "$folder/scheduler.json" && break || sleep 0.1; done

# shellcheck disable=SC2016
srun --kill-on-bad-exit=0 bash -c '
    host=$SLURMD_NODENAME
    exec "$1" -m dask worker --scheduler-file "$2/scheduler.json" --host "$host" \
        --nthreads "$3" --memory-limit "$4" --dashboard-address 127.0.0.1:0 \
        --local-directory "${TMPDIR:-/tmp}" --name "$host-$SLURM_PROCID" \
        --tls-ca-file "$2/ca.pem" --tls-cert "$2/$host.pem" --tls-key "$2/$host.key"' \
    worker "$python" "$folder" "$threads" "$memory" 2>"$folder/workers.log" &
workers=$!
"$python" -m dlogreg doctor --workers "$SLURM_NTASKS" --scheduler "$folder/scheduler.json" || test $? -eq 1

# bash has commands in the background ignore Ctrl-C; this one must not
env --default-signal=INT "$python" -m dlogreg "$@" --scheduler "$folder/scheduler.json" &
client=$!
code=0
wait "$client" || code=$?
# a signal ends wait before the command has ended
while kill -0 "$client" 2>/dev/null; do wait "$client" || code=$?; done
exit "$code"
