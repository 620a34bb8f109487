//! The formats that users take for ONNX models, each with the way from it to ONNX.

use super::Foreign;

pub(super) const PICKLE: Foreign = Foreign {
    what: "a Python pickle (scikit-learn or similar)",
    remedy: "export it from Python, where it was trained: \
             open(\"model.onnx\", \"wb\").write(skl2onnx.to_onnx(model, X[:1]).SerializeToString())\n\
             for LightGBM or XGBoost models: onnxmltools.convert_lightgbm / convert_xgboost",
};
pub(super) const JOBLIB: Foreign = Foreign {
    what: "a compressed joblib dump (scikit-learn or similar)",
    remedy: PICKLE.remedy,
};
const XGBOOST: &str = "export it with onnxmltools: onnxmltools.utils.save_model(\
     onnxmltools.convert_xgboost(model, initial_types=[(\"X\", FloatTensorType([None, n_features]))]), \"model.onnx\")";
pub(super) const XGBOOST_JSON: Foreign = Foreign {
    what: "an XGBoost model in JSON",
    remedy: XGBOOST,
};
pub(super) const XGBOOST_UBJ: Foreign = Foreign {
    what: "an XGBoost model in UBJSON",
    remedy: XGBOOST,
};
pub(super) const LIGHTGBM: Foreign = Foreign {
    what: "a LightGBM model in text",
    remedy: "export it with onnxmltools: onnxmltools.utils.save_model(\
         onnxmltools.convert_lightgbm(lightgbm.Booster(model_file=\"model.txt\"), \
         initial_types=[(\"X\", FloatTensorType([None, n_features]))]), \"model.onnx\")",
};
pub(super) const CATBOOST: Foreign = Foreign {
    what: "a CatBoost model",
    remedy: "export it with CatBoost: model = CatBoost().load_model(\"model.cbm\"); \
             model.save_model(\"model.onnx\", format=\"onnx\")",
};
pub(super) const PYTORCH: Foreign = Foreign {
    what: "a PyTorch checkpoint or TorchScript model",
    remedy: "export it with PyTorch: torch.onnx.export(model.eval(), (example,), \"model.onnx\", \
             dynamic_shapes=({0: \"batch\"},), dynamo=True)",
};
const KERAS: &str = "export it with Keras 3: keras.saving.load_model(\"model.keras\").export(\"model.onnx\", format=\"onnx\")";
pub(super) const KERAS_ZIP: Foreign = Foreign {
    what: "a Keras model",
    remedy: KERAS,
};
pub(super) const HDF5: Foreign = Foreign {
    what: "an HDF5 file (Keras or similar)",
    remedy: KERAS,
};
pub(super) const SAVED_MODEL: Foreign = Foreign {
    what: "a TensorFlow SavedModel",
    remedy: "export it with tf2onnx: python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
};
pub(super) const TENSORFLOW: Foreign = Foreign {
    what: "a TensorFlow graph",
    remedy: "export it with tf2onnx: python -m tf2onnx.convert --graphdef model.pb --output model.onnx \
             --inputs NAME:0 --outputs NAME:0",
};
pub(super) const TFLITE: Foreign = Foreign {
    what: "a TensorFlow Lite model",
    remedy: "export it with tf2onnx: python -m tf2onnx.convert --tflite model.tflite --output model.onnx",
};
pub(super) const COREML: Foreign = Foreign {
    what: "a Core ML model",
    remedy: "export the model to ONNX with the library that trained it, or try \
             onnxmltools.convert_coreml(coremltools.utils.load_spec(\"model.mlmodel\"))",
};
pub(super) const SAFETENSORS: Foreign = Foreign {
    what: "a safetensors file, which holds weights and no model",
    remedy: "export the model it belongs to, for Hugging Face: \
             optimum-cli export onnx --model FOLDER onnx/",
};
pub(super) const GGUF: Foreign = Foreign {
    what: "a GGUF language model (llama.cpp)",
    remedy: "mlserve runs ONNX models; many language models are published as ONNX too",
};
pub(super) const PMML: Foreign = Foreign {
    what: "a PMML model",
    remedy: "export the model to ONNX with the library that trained it, for scikit-learn: \
             skl2onnx.to_onnx(model, X[:1])",
};
pub(super) const XML: Foreign = Foreign {
    what: "an XML file",
    remedy: "mlserve reads .onnx and .ort files",
};
pub(super) const NUMPY: Foreign = Foreign {
    what: "NumPy arrays",
    remedy: "this is data and no model; mlserve reads .onnx and .ort files as models",
};
pub(super) const LFS: Foreign = Foreign {
    what: "a Git LFS pointer, which stands for a file that was not downloaded",
    remedy: "run: git lfs install && git lfs pull",
};
pub(super) const HTML: Foreign = Foreign {
    what: "a web page",
    remedy: "download the file itself: of a GitHub page the \"raw\" link, of a Hugging Face page /resolve/ in place of /blob/",
};
pub(super) const EMPTY: Foreign = Foreign {
    what: "an empty file",
    remedy: "copy or download the file again",
};
pub(super) const ZIP_OF_ONNX: Foreign = Foreign {
    what: "a zip archive with an ONNX model in it",
    remedy: "unpack it first: unzip FILE",
};
pub(super) const ZIP: Foreign = Foreign {
    what: "a zip archive",
    remedy: "unpack it first: unzip FILE",
};
pub(super) const GZIP: Foreign = Foreign {
    what: "a gzip-compressed file",
    remedy: "unpack it first: gunzip FILE",
};
pub(super) const JSON: Foreign = Foreign {
    what: "JSON",
    remedy: "mlserve reads .onnx and .ort files as models",
};
pub(super) const TEXT: Foreign = Foreign {
    what: "text",
    remedy: "mlserve reads .onnx and .ort files as models; if this is the data, give the model first",
};

pub(super) const ONNX_TEXT: Foreign = Foreign {
    what: "an ONNX model in text form",
    remedy: "save it in binary form: onnx.save(onnx.load(\"model.txt\", format=\"textproto\"), \"model.onnx\"); \
             for .onnxtxt files format=\"onnxtxt\"",
};
