package croissant

import (
	"path"
	"slices"
	"strings"
)

// Files compares a dataset's files with those that the document describes: files that it names and that are not there,
// and how many there are, in byte order, that it does not describe. Files inside of archives and on other machines are not compared.
func (m *Metadata) Files(there []string) (missing []string, undescribed int) {
	var named []string
	var includes, excludes []pattern
	for _, file := range objects(m.document, "distribution", "FileObject") {
		for _, url := range texts(file, "contentUrl") {
			if len(all(file, "containedIn")) == 0 && !strings.Contains(url, "://") {
				named = append(named, path.Clean(strings.TrimPrefix(url, "./")))
			}
		}
	}
	archives := m.archives()
	for _, set := range objects(m.document, "distribution", "FileSet") {
		if !slices.ContainsFunc(all(set, "containedIn"), func(v any) bool { return archives[idOf(v)] }) {
			includes, excludes = append(includes, patternsOf(set, "includes")...), append(excludes, patternsOf(set, "excludes")...)
		}
	}
	if len(named)+len(includes) == 0 {
		return nil, 0 // it speaks of no file of this place
	}
	slices.Sort(named)
	for _, file := range named {
		if _, found := slices.BinarySearch(there, file); !found {
			missing = append(missing, file)
		}
	}
	for _, file := range there {
		_, isNamed := slices.BinarySearch(named, file)
		if !isNamed && (!matches(includes, file) || matches(excludes, file)) && !strings.HasSuffix(file, ".json") { // the document itself, most likely
			undescribed++
		}
	}
	return missing, undescribed
}

// archives are the IDs of file objects whose files lie inside of them.
func (m *Metadata) archives() map[string]bool {
	found := map[string]bool{}
	for _, file := range objects(m.document, "distribution", "FileObject") {
		for _, media := range texts(file, "encodingFormat") {
			if strings.Contains(media, "zip") || strings.Contains(media, "tar") {
				found[idOf(file)] = true
			}
		}
	}
	return found
}

func idOf(v any) string {
	if object, ok := v.(map[string]any); ok {
		v = object["@id"]
	}
	id, _ := v.(string)
	return id
}

// A pattern is a glob, by the parts of its path.
type pattern []string

// patternsOf are the globs of a property. More than maxPatterns describe nothing that anybody wrote.
func patternsOf(set map[string]any, property string) (patterns []pattern) {
	for _, glob := range texts(set, property) {
		patterns = append(patterns, strings.Split(strings.TrimPrefix(glob, "./"), "/"))
	}
	return patterns[:min(len(patterns), maxPatterns)]
}

const maxPatterns = 256

func matches(patterns []pattern, file string) bool {
	parts := strings.Split(file, "/")
	return slices.ContainsFunc(patterns, func(p pattern) bool { return p.match(parts) })
}

// match holds the parts of a path against a pattern, in which ** stands for any number of folders. A pattern without folders
// is one of files in any folder. Only the last ** is ever tried again, as in any match of wildcards, so the time is bounded.
func (p pattern) match(parts []string) bool {
	if len(p) == 1 {
		parts = parts[len(parts)-1:]
	}
	at, star, from := 0, -1, 0
	for done := 0; done < len(parts); {
		switch {
		case at < len(p) && p[at] == "**":
			star, from = at, done
			at++
		case at < len(p) && fits(p[at], parts[done]):
			at, done = at+1, done+1
		case star >= 0:
			from++
			at, done = star+1, from
		default:
			return false
		}
	}
	for at < len(p) && p[at] == "**" {
		at++
	}
	return at == len(p)
}

func fits(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return ok && err == nil
}
