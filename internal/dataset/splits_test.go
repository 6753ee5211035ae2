package dataset

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

func TestNamesOfSplits(t *testing.T) {
	for name, want := range map[string]role{
		"train": training, "Train": training, "TRAINING": training, "train2017": training, "train_images": training, "trainset": training,
		"trainSet": training, "training_set": training, "trainval": training, "train-full": training, "data_train": training,
		"train_extra": training, "TrainVal": training, "train_val": training, "train+unlabeled": training, "trainA": training,
		"test": evaluation, "Test": evaluation, "TESTING": evaluation, "test1": evaluation, "testset": evaluation, "test-dev2017": evaluation,
		"val": evaluation, "val2017": evaluation, "Valid": evaluation, "validation": evaluation, "dev": evaluation, "eval": evaluation,
		"holdout": evaluation, "images_val": evaluation, "minival2014": evaluation, "hold-out": evaluation, "held_out": evaluation, "tests": evaluation, "testimg": evaluation, "testB": evaluation,
		"PublicTest": evaluation, "train-dev": evaluation, "test_unlabeled": evaluation,
	} {
		if got, rest := roleOf(name); got != want || rest != "" || !isSplitName(name) || IsEvaluation(name) != (want == evaluation) {
			t.Errorf("%s: %s, besides %q", name, got, rest)
		}
	}
	for _, name := range []string{"", "cat", "2017", "images", "unlabeled", "test_tube", "train station", "contest", "latest", "value", "retrained", "devil"} {
		if isSplitName(name) {
			t.Errorf("%s is taken for a split", name)
		}
	}
	for name, want := range map[string]bool{"seg_test": true, "seg_train": false, "my val": true, "": false, "unlabeled": false, "fold1": false, "protest": false} {
		if IsEvaluation(name) != want {
			t.Errorf("%q is for evaluation: %t", name, !want)
		}
	}
}

func TestFoldersOfSplits(t *testing.T) {
	for name, tc := range map[string]struct {
		files    []string
		want     []string
		warnings int
	}{
		"COCO": {
			[]string{"coco/train2017/a.jpg", "coco/val2017/b.jpg"},
			[]string{"coco/train2017/a.jpg|train2017||", "coco/val2017/b.jpg|val2017||"}, 0,
		},
		"YOLO": {
			[]string{"images/train/a.jpg", "images/val/b.jpg", "labels/train/a.txt"},
			[]string{"images/train/a.jpg|train||", "images/val/b.jpg|val||"}, 0,
		},
		"Roboflow": {
			[]string{"train/images/a.jpg", "valid/images/b.jpg", "test/images/c.jpg"},
			[]string{"test/images/c.jpg|test||", "train/images/a.jpg|train||", "valid/images/b.jpg|valid||"}, 0,
		},
		"a wrapping folder": {
			[]string{"imagenette2/train/cat/a.jpg", "imagenette2/val/cat/b.jpg"},
			[]string{"imagenette2/train/cat/a.jpg|train|cat|", "imagenette2/val/cat/b.jpg|val|cat|"}, 0,
		},
		"a wrapper, and labels": {
			[]string{"pets/cat/a.jpg", "pets/dog/b.jpg"},
			[]string{"pets/cat/a.jpg||cat|", "pets/dog/b.jpg||dog|"}, 0,
		},
		"splits below labels": {
			[]string{"cat/train/a.jpg", "cat/test/b.jpg", "dog/train/c.jpg"},
			[]string{"cat/test/b.jpg|test|cat|", "cat/train/a.jpg|train|cat|", "dog/train/c.jpg|train|dog|"}, 0,
		},
		"splits in folders of their name": {
			[]string{"train/train/a.jpg", "test1/test1/b.jpg"},
			[]string{"test1/test1/b.jpg|test1||", "train/train/a.jpg|train||"}, 0,
		},
		"splits with a common word": {
			[]string{"seg_train/sea/a.jpg", "seg_test/sea/b.jpg", "seg_pred/sea/c.jpg"},
			[]string{"seg_pred/sea/c.jpg|seg_pred|sea|", "seg_test/sea/b.jpg|seg_test|sea|", "seg_train/sea/a.jpg|seg_train|sea|"}, 1,
		},
		"splits beside others": {
			[]string{"train/a.jpg", "test/b.jpg", "unlabeled/c.jpg"},
			[]string{"test/b.jpg|test||", "train/a.jpg|train||", "unlabeled/c.jpg|unlabeled||"}, 0,
		},
		"files named after splits": {
			[]string{"images/train_00.jpg", "images/test_00.jpg"},
			[]string{"images/test_00.jpg|test||", "images/train_00.jpg|train||"}, 0,
		},
		"files, one of which names no split": {
			[]string{"train_00.jpg", "test_00.jpg", "cat.jpg"},
			[]string{"cat.jpg|||", "test_00.jpg|||", "train_00.jpg|||"}, 1,
		},
		"one folder of pictures": {
			[]string{"images/a.jpg", "images/b.jpg"},
			[]string{"images/a.jpg|||", "images/b.jpg|||"}, 0,
		},
		"labels like splits": {
			[]string{"train/a.jpg", "bus/b.jpg"},
			[]string{"bus/b.jpg||bus|", "train/a.jpg||train|"}, 1,
		},
		"images and masks": {
			[]string{"images/a.jpg", "masks/a.png"},
			[]string{"images/a.jpg||images|", "masks/a.png||masks|"}, 1,
		},
		"unknown splits": {
			[]string{"fold1/cat/a.jpg", "fold2/cat/b.jpg"},
			[]string{"fold1/cat/a.jpg|fold1|cat|", "fold2/cat/b.jpg|fold2|cat|"}, 2,
		},
		"masks beside images in splits": {
			[]string{"train/images/a.jpg", "train/masks/a.png", "test/images/b.jpg"},
			[]string{"test/images/b.jpg|test||", "train/images/a.jpg|train|images|", "train/masks/a.png|train|masks|"}, 1,
		},
		"a stranger beside splits": {
			[]string{"train/good/a.jpg", "test/crack/b.jpg", "ground_truth/crack/b.png"},
			[]string{"ground_truth/crack/b.png|ground_truth|crack|", "test/crack/b.jpg|test|crack|", "train/good/a.jpg|train|good|"}, 1,
		},
		"masks in splits of their own": {
			[]string{"train/a.jpg", "train_masks/a.png", "test/b.jpg", "val_GroundTruth/b.png"},
			[]string{"test/b.jpg|test||", "train/a.jpg|train||", "train_masks/a.png|train_masks||", "val_GroundTruth/b.png|val_GroundTruth||"}, 1,
		},
		"a stranger below labels": {
			[]string{"bottle/train/a.jpg", "bottle/test/b.jpg", "bottle/ground_truth/b.png", "cable/train/c.jpg"},
			[]string{"bottle/ground_truth/b.png|ground_truth|bottle|", "bottle/test/b.jpg|test|bottle|", "bottle/train/a.jpg|train|bottle|", "cable/train/c.jpg|train|cable|"}, 1,
		},
		"a wrapper called like a split": {
			[]string{"train_test_split/train/cat/a.jpg", "train_test_split/test/cat/b.jpg"},
			[]string{"train_test_split/test/cat/b.jpg|test|cat|", "train_test_split/train/cat/a.jpg|train|cat|"}, 0,
		},
		"splits within training data": {
			[]string{"Training_Data/train/a.jpg", "Training_Data/val/b.jpg"},
			[]string{"Training_Data/train/a.jpg|train||", "Training_Data/val/b.jpg|val||"}, 0,
		},
		"labels of both roles": {
			[]string{"train_clean/a.jpg", "test_noisy/b.jpg"},
			[]string{"test_noisy/b.jpg||test_noisy|", "train_clean/a.jpg||train_clean|"}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := mustOpen(t, bucketOf(t, images(tc.files...)), imageFolder)
			if diff := cmp.Diff(tc.want, lines(d)); diff != "" {
				t.Error(diff)
			}
			if got := d.Warnings(); len(got) != tc.warnings {
				t.Errorf("warnings %q", got)
			}
		})
	}
}

func TestIgnoredByEnding(t *testing.T) {
	d := mustOpen(t, bucketOf(t, images("a.jpg", "a.heic", "b.xyz", "c.XYZ", "README", "@eaDir/a.jpg/t.jpg", "x/@eaDir/t.jpg", "__MACOSX/._a.jpg",
		".thumbnails/a.jpg", "lost+found/b.jpg", "#recycle/c.jpg", "System Volume Information/x")), v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder})
	if diff := cmp.Diff(Ignored{".xyz": 2, "": 1}, d.Ignored()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a.heic|||", "a.jpg|||"}, lines(d)); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
}

// Of a shard the last word before its number counts; of a sample's own file the folder counts first.
func TestSplitsOfPaths(t *testing.T) {
	for key, want := range map[string]string{
		"my_test_data-train.tfrecord-00000-of-00001": "train", "cv_test_bench-val-00000.parquet": "val", "train_val-00000.tar": "trainval",
		"test/train-00000.tar": "train", "Val/00000.tar": "val", "a/b.tar": "", "unlabeled-00001.parquet": "unlabeled", "train-00000-of-00001-a09bde3.parquet": "train",
	} {
		if got := splitOf(key); got != want {
			t.Errorf("shard %s: %q", key, got)
		}
	}
	for key, want := range map[string]string{
		"train/COCO_val2014_2.jpg": "train", "Test/train_3.png": "Test", "img/train_3.png": "train", "cat/a.jpg": "",
	} {
		if got := splitOfFile(key); got != want {
			t.Errorf("file %s: %q", key, got)
		}
	}
}

func TestTheDatasetOnceMore(t *testing.T) {
	_, err := Open(t.Context(), bucketOf(t, images("x/train/cat/a.jpg", "x/test/cat/b.jpg", "x/x/train/cat/a.jpg")), imageFolder, "")
	wantInvalid(t, err, "ambiguous folders: x stands beside splits", "x/x/train/cat/a.jpg")
}

func TestUnknownSplitsAreDoubted(t *testing.T) {
	files := images("a.jpg", "b.jpg", "c.jpg")
	files["manifest.csv"] = "path,split\na.jpg,0\nb.jpg,1\nc.jpg,2\n"
	d := mustOpen(t, bucketOf(t, files), manifest(""))
	if w := d.Warnings(); len(w) != 1 || !strings.Contains(w[0], "none of the splits (0, 1, 2) is known to be for evaluation") {
		t.Errorf("warnings %q", w)
	}
	spec := manifest("")
	spec.EvaluationSplits = []string{"2"}
	if w := mustOpen(t, bucketOf(t, files), spec).Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}
