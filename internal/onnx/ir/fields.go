package ir

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of onnx.proto (IR version 10, with the fields of later versions that matter here).
const (
	ModelIRVersion   protowire.Number = 1
	ModelProducer    protowire.Number = 2
	ModelGraph       protowire.Number = 7
	ModelOpsetImport protowire.Number = 8
	ModelTraining    protowire.Number = 20
	ModelFunction    protowire.Number = 25

	OpsetDomain  protowire.Number = 1
	OpsetVersion protowire.Number = 2

	GraphNode              protowire.Number = 1
	GraphName              protowire.Number = 2
	GraphInitializer       protowire.Number = 5
	GraphInput             protowire.Number = 11
	GraphOutput            protowire.Number = 12
	GraphValueInfo         protowire.Number = 13
	GraphQuantization      protowire.Number = 14
	GraphSparseInitializer protowire.Number = 15

	NodeInput     protowire.Number = 1
	NodeOutput    protowire.Number = 2
	NodeName      protowire.Number = 3
	NodeOp        protowire.Number = 4
	NodeAttribute protowire.Number = 5
	NodeDomain    protowire.Number = 7
	NodeOverload  protowire.Number = 8

	AttributeName          protowire.Number = 1
	AttributeFloat         protowire.Number = 2
	AttributeInt           protowire.Number = 3
	AttributeString        protowire.Number = 4
	AttributeTensor        protowire.Number = 5
	AttributeGraph         protowire.Number = 6
	AttributeInts          protowire.Number = 8
	AttributeTensors       protowire.Number = 10
	AttributeGraphs        protowire.Number = 11
	AttributeType          protowire.Number = 20
	AttributeSparseTensor  protowire.Number = 22
	AttributeSparseTensors protowire.Number = 23

	FunctionName     protowire.Number = 1
	FunctionInput    protowire.Number = 4
	FunctionOutput   protowire.Number = 5
	FunctionNode     protowire.Number = 7
	FunctionOpset    protowire.Number = 9
	FunctionDomain   protowire.Number = 10
	FunctionOverload protowire.Number = 13

	TensorDims         protowire.Number = 1
	TensorElementType  protowire.Number = 2
	TensorName         protowire.Number = 8
	TensorRaw          protowire.Number = 9
	TensorExternal     protowire.Number = 13
	TensorDataLocation protowire.Number = 14

	SparseValues  protowire.Number = 1
	SparseIndices protowire.Number = 2
	SparseDims    protowire.Number = 3

	// EntryKey and EntryValue belong to StringStringEntryProto.
	EntryKey   protowire.Number = 1
	EntryValue protowire.Number = 2

	AnnotationTensor protowire.Number = 1

	ValueName protowire.Number = 1
	ValueType protowire.Number = 2

	TypeTensor            protowire.Number = 1
	TypeSequence          protowire.Number = 4
	TypeMap               protowire.Number = 5
	TypeSparse            protowire.Number = 8
	TypeOptional          protowire.Number = 9
	TensorTypeElementType protowire.Number = 1
	TensorTypeShape       protowire.Number = 2
	ShapeDim              protowire.Number = 1
	DimValue              protowire.Number = 1
	DimParam              protowire.Number = 2
)

// Attribute types, AttributeProto.AttributeType.
const (
	attributeFloat  = 1
	attributeInt    = 2
	attributeString = 3
	attributeTensor = 4
	attributeGraph  = 5
	attributeInts   = 7
)

// External is TensorProto.DataLocation's value for data that lie in another file.
const External = 1

// ElementType is TensorProto.DataType, the type of a tensor's elements. ONNX Runtime numbers its types alike.
type ElementType int32

// Element types by their names in ONNX. Undefined means: not known.
const (
	Undefined ElementType = iota
	Float32
	Uint8
	Int8
	Uint16
	Int16
	Int32
	Int64
	String
	Bool
	Float16
	Float64
	Uint32
	Uint64
	Complex64
	Complex128
	BFloat16
)

var elementNames = [...]string{"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16",
	"float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"}
