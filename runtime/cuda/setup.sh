#!/usr/bin/env bash
# For `make install GPU=cuda`: prints the CMake settings of a CUDA build, or links its libraries beside llama.cpp's.
# Where the system has no nvcc, the toolkit comes from packages into the virtual environment (requirements.lock).
#   setup.sh settings VENV   before the build
#   setup.sh link VENV       after it
set -euo pipefail
what=$1
python=$2/bin/python
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
toolkit=$packages/nvidia/cu13

settings() {
	printf -- '-DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=%s' "${CUDA_ARCH:-native}"
	if command -v nvcc >/dev/null; then return; fi
	"$2"/bin/uv pip install --python "$python" --quiet --no-deps --require-hashes \
		-r "$(dirname "$0")/requirements.lock" >&2
	# The packages have neither the unversioned names that CMake looks for nor a lib64.
	for library in "$toolkit"/lib/lib*.so.*; do
		name=$(basename "$library")
		ln -sf "$name" "$toolkit/lib/${name%%.so.*}.so"
	done
	ln -sfn lib "$toolkit/lib64"
	# Without its own memory pool llama.cpp does not link against the driver, of which no package has a stub.
	printf ' -DCUDAToolkit_ROOT=%s -DCMAKE_CUDA_COMPILER=%s/bin/nvcc -DGGML_CUDA_NO_VMM=ON' "$toolkit" "$toolkit"
}

link() {
	if [ ! -d "$toolkit/lib" ]; then return; fi
	for library in "$toolkit"/lib/lib*.so.*; do
		ln -sf "../../nvidia/cu13/lib/$(basename "$library")" "$packages/llama_cpp/lib/"
	done
}

"$what" "$@"
