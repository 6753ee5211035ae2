package audit

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// place says where something was read, for people: in a pod what was mounted, else the path or the URL that was given,
// without options, which may be long, and are those of a connection.
func (r *Run) place(given string, object *v1alpha1.ObjectStorage, claim *v1alpha1.ClaimSource, image *v1alpha1.ImageSource) string {
	switch {
	case r.ID != "" && claim != nil:
		return path.Join("claim "+claim.ClaimName, claim.Path)
	case r.ID != "" && image != nil:
		return path.Join("image "+image.Reference, image.Path)
	case given == "" && object != nil:
		given = object.URL
	}
	if local, ok := storage.LocalPath(given); ok {
		return filepath.Clean(local)
	}
	given, _, _ = strings.Cut(given, "?")
	return given
}

// datasetPlace says where the dataset was read.
func (r *Run) datasetPlace() string {
	source := r.Audit.Spec.Dataset.Source
	if r.Dataset == "" && source.Builtin != "" {
		return "builtin " + string(source.Builtin)
	}
	return r.place(r.Dataset, source.ObjectStorage, source.PersistentVolumeClaim, source.Image)
}

// datasetOrigin tells datasets apart that lie at the same location in different pods, where vectors are shared: in a pod
// every claim is at /dataset. The files of an image often have one time, whatever is in them: unless the image is named by
// its digest, a place is known for one run alone there, and its samples are read again by the next.
func (r *Run) datasetOrigin(location string) string {
	origin := location + "\x00" + r.datasetPlace()
	if image := r.Audit.Spec.Dataset.Source.Image; r.ID != "" && !pinnedImage(image) {
		origin += "\x00" + r.ID
	}
	return origin
}

// pinnedImage says whether the files of an image can't change under its name. Where there is no image, none can.
func pinnedImage(image *v1alpha1.ImageSource) bool {
	return image == nil || strings.Contains(image.Reference, "@sha256:")
}

// datasetFolder is the folder of the dataset's files, if it lies below the one in which the run was started.
func (r *Run) datasetFolder() string {
	local, ok := storage.LocalPath(r.Dataset)
	if !ok || r.ID != "" || !filepath.IsLocal(local) {
		return ""
	}
	if info, err := os.Stat(local); err == nil && !info.IsDir() {
		local = filepath.Dir(local)
	}
	return filepath.Clean(local)
}

// modelPlace is the model's name, and says where it was read. A builtin one was read nowhere.
func (r *Run) modelPlace() (name, location string) {
	spec := r.Audit.Spec.Model
	if spec.Builtin != "" {
		return string(spec.Builtin), ""
	}
	location = r.place(r.Model, spec.Source.ObjectStorage, spec.Source.PersistentVolumeClaim, spec.Source.Image)
	return path.Base(filepath.ToSlash(location)), location
}
