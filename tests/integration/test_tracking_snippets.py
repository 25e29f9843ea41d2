"""The snippets that people know from `wandb` run under `import swath.tracking as wandb`."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from swath.tracking.api import Api
from swath.tracking.runlog.history import read_history, read_records
from swath.tracking.runlog.records import Config, Finish, Header, Saved, Summary

#: What the snippets of media take for granted, and the libraries that they need.
PRELUDE = """
    import numpy as np
    rng = np.random.default_rng(1)
    array = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    image = img1 = img2 = array
    batch = [array, array[::-1]]
    mask_array = rng.integers(0, 3, (24, 32))
    class_labels = {0: "road", 1: "car", 2: "tree"}
    gradient_values = rng.normal(size=1000)
    points_array = rng.normal(size=(50, 3))
"""
NEEDS_MEDIA = ("table", "images", "masks", "audio", "video", "matplotlib", "histogram", "points")

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
    "step metric": """
        wandb.init()
        wandb.define_metric("val/*", step_metric="epoch")
        wandb.log({"epoch": 5, "val/loss": 0.3})
    """,
    "names": """
        train_loss = val_loss = test_acc = lr = 0.5
        wandb.init()
        wandb.log({
            "train/loss": train_loss,      # Training metrics
            "val/loss": val_loss,          # Validation metrics
            "test/accuracy": test_acc,     # Test metrics
            "optim/lr": lr,                # Optimizer metrics
        })
    """,
    "alerts": """
        accuracy, loss, threshold = 0.9, 2.0, 1.0
        wandb.init()
        wandb.alert(
            title="Training Complete",
            text=f"Final accuracy: {accuracy:.2%}",
            level=wandb.AlertLevel.INFO,  # INFO, WARN, ERROR
        )
        if loss > threshold:
            wandb.alert(
                title="High Loss Detected",
                text=f"Loss {loss} exceeded threshold {threshold}",
                level=wandb.AlertLevel.WARN,
            )
    """,
    "table": """
        wandb.init()
        table = wandb.Table(
            columns=["image", "prediction", "ground_truth", "confidence"],
            data=[
                [wandb.Image(img1), "cat", "cat", 0.95],
                [wandb.Image(img2), "dog", "cat", 0.60],
            ]
        )
        wandb.log({"predictions": table})
        import pandas as pd
        df = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
        wandb.log({"my_table": wandb.Table(dataframe=df)})
    """,
    "images": """
        wandb.init()
        import PIL.Image, os
        os.makedirs("path/to")
        PIL.Image.fromarray(array).save("path/to/image.png")
        wandb.log({"image": wandb.Image(array)})
        wandb.log({"image": wandb.Image("path/to/image.png")})
        wandb.log({"images": [wandb.Image(img) for img in batch]})
    """,
    "masks": """
        wandb.init()
        wandb.log({
            "predictions": wandb.Image(image, masks={
                "predictions": {"mask_data": mask_array, "class_labels": class_labels}
            })
        })
    """,
    "audio": """
        wandb.init()
        array = np.sin(np.arange(4410) / 20).astype(np.float32)
        wandb.log({"audio": wandb.Audio(array, sample_rate=44100)})
    """,
    "video": """
        wandb.init()
        array = rng.integers(0, 255, (4, 3, 32, 32), dtype=np.uint8)
        wandb.log({"video": wandb.Video(array, fps=4)})
    """,
    "matplotlib": """
        wandb.init()
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
        fig, ax = plt.subplots()
        ax.plot([1, 2, 3], [1, 4, 9])
        wandb.log({"chart": wandb.Image(fig)})
        wandb.log({"figure": fig, "module": plt})
        plt.close()
    """,
    "histogram": """
        wandb.init()
        wandb.log({"gradients": wandb.Histogram(gradient_values)})
    """,
    "points": """
        wandb.init()
        wandb.log({"point_cloud": wandb.Object3D(points_array)})
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
    if name in NEEDS_MEDIA:
        for module in ("PIL", "matplotlib", "soundfile", "imageio_ffmpeg", "pandas"):
            pytest.importorskip(module)
    snippet = textwrap.dedent(PRELUDE if name in NEEDS_MEDIA else "") + textwrap.dedent(SNIPPETS[name])
    records = read_records(execute(tmp_path, snippet))
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


def test_media_of_the_snippets_reads_back_as_it_was_logged(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pytest.importorskip("PIL")
    made = execute(tmp_path, textwrap.dedent(PRELUDE) + textwrap.dedent(SNIPPETS["table"] + SNIPPETS["masks"]))
    with Api(root=tmp_path / ".swath") as api:
        rows = list(api.run(made.name).scan_history())
        table: Any = api.run(made.name).media(rows[0]["predictions"])
        picture: Any = api.run(made.name).media(rows[2]["predictions"])
    array = numpy.random.default_rng(1).integers(0, 255, (24, 32, 3), dtype=numpy.uint8)
    assert table.columns == ["image", "prediction", "ground_truth", "confidence"]
    assert [row[1:] for row in table.data] == [["cat", "cat", 0.95], ["dog", "cat", 0.60]]
    assert (table.data[0][0].to_numpy() == array).all()
    assert (picture.to_numpy() == array).all()
