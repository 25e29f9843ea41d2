"""The snippets that people know from `wandb` run under `import swath.tracking as wandb`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from swath.tracking.history import read_history, read_records
from swath.tracking.records import Config, Finish, Header, Saved, Summary

SNIPPETS = {
    "basic": """
        train_one_epoch, evaluate, best_acc = lambda: 0.5, lambda: 0.9, 0.95
        with wandb.init(project="my-project", name="experiment-1") as run:
            run.config.learning_rate = 0.001
            run.config.epochs = 10
            run.config.batch_size = 32
            for epoch in range(10):
                loss = train_one_epoch()
                accuracy = evaluate()
                run.log({
                    "train/loss": loss,
                    "val/accuracy": accuracy,
                    "epoch": epoch,
                })
            run.summary["best_accuracy"] = best_acc
    """,
    "parameters": """
        wandb.init(
            project="my-project", entity="my-team", name="run-name", id="unique-id",
            config={"lr": 0.001, "epochs": 10},
            tags=["baseline", "v1"], notes="Testing new arch", group="experiment-1", job_type="train",
            mode="online", resume="allow", save_code=True,
        )
    """,
    "metrics": """
        wandb.init()
        wandb.log({"loss": 0.5})
        wandb.log({
            "train/loss": 0.5,
            "train/accuracy": 0.85,
            "learning_rate": 0.001,
        })
        wandb.run.summary["best_val_accuracy"] = 0.95
        wandb.run.summary["final_loss"] = 0.01
        wandb.finish()
    """,
    "config dict": """
        wandb.init(config={"lr": 0.001, "epochs": 10})
        wandb.config.update({
            "model": "resnet50",
            "optimizer": "adamw",
        })
        lr = wandb.config.lr
        lr = wandb.config["lr"]
        assert lr == 0.001
    """,
    "argparse": """
        import argparse
        parser = argparse.ArgumentParser()
        parser.add_argument("--lr", type=float, default=0.001)
        args = parser.parse_args()
        wandb.init(config=args)
        assert wandb.config.lr == 0.001
    """,
    "yaml": """
        wandb.init(config="config.yaml")
        assert wandb.config.lr == 0.001
    """,
    "offline": """
        wandb.init(mode="offline")
        wandb.log({"loss": 1})
    """,
    "naming": """
        model_name, lr, bs = "resnet", 0.1, 32
        wandb.init(
            name=f"{model_name}-lr{lr}-bs{bs}",
            tags=["baseline", "resnet", "imagenet"],
            group="architecture-search",
            job_type="train",
        )
    """,
}


def execute(folder: Path, snippet: str) -> Path:
    """Run a snippet in a folder; returns the folder of the one run that it made."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    (folder / "config.yaml").write_text("lr: 1e-3\n")
    (folder / "train.py").write_text("import swath.tracking as wandb\n" + textwrap.dedent(snippet))
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=kept, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    (made,) = (folder / ".swath" / "runs").iterdir()
    return made


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_runs_unchanged_and_ends_well(tmp_path: Path, name: str) -> None:
    records = read_records(execute(tmp_path, SNIPPETS[name]))
    assert isinstance(records[0], Header)
    end = records[-1]
    assert isinstance(end, Finish)
    assert (end.exit_code, end.dropped) == (0, 0)


def test_the_basic_snippet_records_what_it_says(tmp_path: Path) -> None:
    made = execute(tmp_path, SNIPPETS["basic"])
    assert [(row.step, row.values) for row in read_history(made)] == [
        (epoch, {"train/loss": 0.5, "val/accuracy": 0.9, "epoch": epoch}) for epoch in range(10)
    ]
    records = read_records(made)
    config = {key: value for each in records if isinstance(each, Config) for key, value in each.values.items()}
    assert config == {"learning_rate": 0.001, "epochs": 10, "batch_size": 32}
    assert [each.values for each in records if isinstance(each, Summary)] == [{"best_accuracy": 0.95}]


def test_the_parameters_snippet_can_be_run_again_and_goes_on(tmp_path: Path) -> None:
    made = execute(tmp_path, SNIPPETS["parameters"])
    assert execute(tmp_path, SNIPPETS["parameters"]) == made
    assert made.name == "unique-id"
    assert "code/train.py" in [record.path for record in read_records(made) if isinstance(record, Saved)]
    ends = [record for record in read_records(made) if isinstance(record, Finish)]
    assert len(ends) == 2
