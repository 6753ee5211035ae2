package embed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/onnx"
)

// providers are the execution providers by name, each with how it is added to a session's options: that fails where the
// provider's library isn't there.
var providers = map[v1alpha1.ExecutionProvider]func(*ort.SessionOptions) error{
	v1alpha1.ProviderCPU: func(*ort.SessionOptions) error { return nil },
	v1alpha1.ProviderCUDA: func(o *ort.SessionOptions) error {
		cuda, err := ort.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		// TF32 would round the inputs of products to 10 bits, and the heuristic search for convolutions need not choose
		// alike.
		err = cuda.Update(map[string]string{"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})
		if err == nil {
			err = o.AppendExecutionProviderCUDA(cuda)
		}
		return errors.Join(err, cuda.Destroy())
	},
	v1alpha1.ProviderTensorRT: func(o *ort.SessionOptions) error {
		tensorRT, err := ort.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		err = o.AppendExecutionProviderTensorRT(tensorRT)
		return errors.Join(err, tensorRT.Destroy())
	},
	v1alpha1.ProviderWebGPU: func(o *ort.SessionOptions) error { return o.AppendExecutionProvider("WebGPU", nil) },
}

// sessionOptions returns options for a session on the given provider, not Auto. A run of the session uses one thread:
// more threads run batches beside each other, which changes no result.
func sessionOptions(provider v1alpha1.ExecutionProvider, dataFolder string) (*ort.SessionOptions, error) {
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(options.SetIntraOpNumThreads(1), options.SetInterOpNumThreads(1))
	if err == nil && dataFolder != "" {
		err = options.AddSessionConfigEntry(onnx.FolderOption, dataFolder)
	}
	if err == nil {
		err = providers[provider](options)
	}
	if err != nil {
		return nil, errors.Join(err, options.Destroy())
	}
	return options, nil
}

// resolveProvider turns Auto into CUDA where it is there, else the CPU, and refuses a provider that isn't there. Auto
// never takes WebGPU, which a software renderer offers too, nor TensorRT, which compiles a model for minutes.
func resolveProvider(wanted v1alpha1.ExecutionProvider) (provider v1alpha1.ExecutionProvider, note string, err error) {
	if wanted == "" || wanted == v1alpha1.ProviderAuto {
		if attempt(v1alpha1.ProviderCUDA) == nil {
			return v1alpha1.ProviderCUDA, "runner.executionProvider Auto: running on CUDA", nil
		}
		return v1alpha1.ProviderCPU, "runner.executionProvider Auto: running on the CPU, since CUDA is not available", nil
	}
	if _, known := providers[wanted]; !known {
		return "", "", v1alpha1.NewRunError(v1alpha1.ExitInvalidSpec, fmt.Errorf("runner.executionProvider: %q is not known", wanted))
	}
	if reason := attempt(wanted); reason != nil {
		var there []string
		for _, p := range []v1alpha1.ExecutionProvider{v1alpha1.ProviderCPU, v1alpha1.ProviderCUDA, v1alpha1.ProviderTensorRT, v1alpha1.ProviderWebGPU} {
			if p != wanted && attempt(p) == nil {
				there = append(there, string(p))
			}
		}
		return "", "", v1alpha1.NewRunError(v1alpha1.ExitProviderUnavailable, fmt.Errorf(
			"runner.executionProvider: %s is not available here: %s; available: %s", wanted, firstLine(reason), strings.Join(there, ", ")))
	}
	return wanted, "", nil
}

// attempt says why a provider can't be used.
func attempt(provider v1alpha1.ExecutionProvider) error {
	options, err := sessionOptions(provider, "")
	if err != nil {
		return err
	}
	return options.Destroy()
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return line
}

// device names what computes: bits may differ from one kind to another.
func device(provider v1alpha1.ExecutionProvider) string {
	if provider != v1alpha1.ProviderCPU {
		gpu := firstOf("/proc/driver/nvidia/gpus/*/information", "Model")
		driver := firstOf("/proc/driver/nvidia/version", "NVRM version")
		return strings.TrimSpace(strings.Join([]string{string(provider), gpu, driver}, " "))
	}
	name := firstOf("/proc/cpuinfo", "model name", "cpu family", "model", "stepping", "CPU implementer", "CPU part")
	if name == "" {
		name = "unknown processor"
	}
	// Virtual machines hide instructions, and ONNX Runtime chooses its kernels by what it sees.
	features := sha256.Sum256([]byte(firstOf("/proc/cpuinfo", "flags", "Features")))
	return fmt.Sprintf("%s, features %x", name, features[:4])
}

// firstOf returns the values of keys in the first file that matches, each the first of its key.
func firstOf(pattern string, keys ...string) string {
	files, _ := filepath.Glob(pattern) // fails only for a malformed pattern
	if len(files) == 0 {
		return ""
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return ""
	}
	var values []string
	for _, key := range keys {
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == key {
				values = append(values, strings.Join(strings.Fields(value), " "))
				break
			}
		}
	}
	return strings.Join(values, " ")
}
