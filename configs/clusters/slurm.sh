#!/bin/bash
# Agents of a sweep as an array job of Slurm: each task is one agent, which takes trials from a `sweep server`.
#
#   export SWATH_URL=http://HOST:8787 SWATH_TOKEN=...     as `sweep server` prints them; or once: sweep login URL
#   sbatch --array=1-8 slurm.sh SWEEP_ID
#
# Submit it in the folder that the trials run in. What stands below may be said on the command line of sbatch as well.
#
#SBATCH --job-name=swath
#SBATCH --array=1-4
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=04:00:00
#SBATCH --output=swath-%A_%a.out
#SBATCH --open-mode=append
# A task that is preempted is queued again by Slurm; two minutes before the time limit it asks for that itself.
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
# One GPU for each agent: take one # away.
##SBATCH --gres=gpu:1

set -u
sweep_id=${1:?usage: sbatch slurm.sh SWEEP_ID}
task=${SLURM_ARRAY_JOB_ID:-${SLURM_JOB_ID:?this is a script for sbatch}}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}

# Here is the place to make ready what a trial needs: module load ..., source .venv/bin/activate

again=no
# The agent gives its trial back, with its checkpoint, and leaves.
give_back() { kill -TERM "$agent" 2>/dev/null; }
trap give_back TERM
trap 'again=yes; give_back' USR1

sweep agent "$sweep_id" --name "slurm-$task" &
agent=$!

# A signal ends `wait`, not the agent: it is waited for until it has left.
wait "$agent"
code=$?
while kill -0 "$agent" 2>/dev/null; do
    wait "$agent"
    code=$?
done

# 143: it left before the sweep was over. Any other end would be the same after a new start.
if [ "$again" = yes ] && [ "$code" -eq 143 ]; then
    scontrol requeue "$task"
    exit
fi
exit "$code"
