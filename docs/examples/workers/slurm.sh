#!/bin/bash
# Two machines train one network. Submit it in a folder that both of them see: sbatch slurm.sh
#SBATCH --job-name=dlrecipes
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
# A minute before the time is up, all workers agree to stop, and the run can be resumed. Eight steps
# must take less than that.
#SBATCH --signal=TERM@60
set -euo pipefail

# srun sets SLURM_PROCID, SLURM_STEP_NUM_TASKS and SLURM_STEP_NODELIST for each task: dlrecipes
# reads its place among the workers from them.
srun dlrecipes train mnist-cnn --name "job-$SLURM_JOB_ID" "$@"
