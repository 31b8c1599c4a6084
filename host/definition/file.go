package definition

// The types below are the file as it is written, key by key, before anything is checked across keys. A test
// holds them to the schema: every key of one is a key of the other.

// fileDef is postern.yaml.
type fileDef struct {
	place
	Version   val[int64]              `key:"version"`
	APIs      dict[apiDef]            `key:"apis"`
	Functions dict[functionDef]       `key:"functions"`
	Upstreams dict[upstreamDef]       `key:"upstreams"`
	AWS       awsDef                  `key:"aws"`
	Domains   dict[dict[val[string]]] `key:"domains"`
}

type apiDef struct {
	place
	restDef
	Protocol        val[string]         `key:"protocol"`
	OpenAPI         val[string]         `key:"openapi"`
	Root            val[bool]           `key:"root"`
	DefaultEndpoint val[bool]           `key:"defaultEndpoint"`
	CORS            corsDef             `key:"cors"`
	Authorizers     dict[authorizerDef] `key:"authorizers"`
	Filters         list[pluginDef]     `key:"filters"`
	Routes          dict[routeDef]      `key:"routes"`
	Stages          dict[stageDef]      `key:"stages"`

	AllowUnsupported val[bool]   `key:"allowUnsupported"` // this and the next are of the document
	BasePath         val[string] `key:"basePath"`
}

// restDef is what rest APIs have besides.
type restDef struct {
	BinaryMediaTypes   list[val[string]]        `key:"binaryMediaTypes"`
	MinimumCompression val[any]                 `key:"minimumCompressionSize"`
	Models             dict[tree]               `key:"models"`
	GatewayResponses   dict[gatewayResponseDef] `key:"gatewayResponses"`
}

type gatewayResponseDef struct {
	place
	Status     val[int64]        `key:"statusCode"`
	Parameters dict[val[string]] `key:"parameters"`
	Templates  dict[val[string]] `key:"templates"`
}

type awsDef struct {
	place
	Endpoint        val[string] `key:"endpoint"`
	Region          val[string] `key:"region"`
	AccessKeyID     secretDef   `key:"accessKeyId"`
	SecretAccessKey secretDef   `key:"secretAccessKey"`
	SessionToken    secretDef   `key:"sessionToken"`
}

type corsDef struct {
	place
	AllowOrigins     list[val[string]] `key:"allowOrigins"`
	AllowMethods     list[val[string]] `key:"allowMethods"`
	AllowHeaders     list[val[string]] `key:"allowHeaders"`
	ExposeHeaders    list[val[string]] `key:"exposeHeaders"`
	MaxAge           val[string]       `key:"maxAge"`
	AllowCredentials val[bool]         `key:"allowCredentials"`
}

// settingsDef is what every plugin may have beside it.
type settingsDef struct {
	Plugin      val[string]       `key:"plugin"`
	Runtime     val[string]       `key:"runtime"`
	ABI         val[string]       `key:"abi"`
	Timeout     val[string]       `key:"timeout"`
	Memory      val[any]          `key:"memory"`
	Concurrency val[int64]        `key:"concurrency"`
	MaxResult   val[any]          `key:"maxResult"`
	Limits      limitsDef         `key:"limits"`
	Isolation   val[string]       `key:"isolation"`
	OnError     onErrorDef        `key:"onError"`
	Env         dict[val[string]] `key:"env"`
	Secrets     dict[secretDef]   `key:"secrets"`
	Egress      list[val[string]] `key:"egress"`
	KV          val[string]       `key:"kv"`
	Config      tree              `key:"config"`
}

type limitsDef struct {
	place
	Fuel        val[int64] `key:"fuel"`
	HostCalls   val[int64] `key:"hostCalls"`
	Fetches     val[int64] `key:"fetches"`
	FetchBytes  val[any]   `key:"fetchBytes"`
	LogLines    val[int64] `key:"logLines"`
	LogBytes    val[any]   `key:"logBytes"`
	Headers     val[int64] `key:"headers"`
	HeaderBytes val[any]   `key:"headerBytes"`
	KVBytes     val[any]   `key:"kvBytes"`
}

// onErrorDef may also be written as its mode alone.
type onErrorDef struct {
	place
	Mode   string      // "" for an answer
	Status val[int64]  `key:"status"`
	Body   val[string] `key:"body"`
}

type secretDef struct {
	place
	File  val[string] `key:"file"`
	Env   val[string] `key:"env"`
	Store val[string] `key:"store"`
}

type authorizerDef struct {
	place
	settingsDef
	Function        val[string]       `key:"function"`
	Type            val[string]       `key:"type"`
	IdentitySources list[val[string]] `key:"identitySources"`
	Validation      val[string]       `key:"identityValidationExpression"`
	ResultTTL       val[string]       `key:"resultTTL"`
	PayloadFormat   val[string]       `key:"payloadFormatVersion"`
}

type functionDef struct {
	place
	settingsDef
	URL   val[bool] `key:"url"`
	Async asyncDef  `key:"async"`
}

type asyncDef struct {
	place
	Retries    val[int64]  `key:"retries"`
	MaxAge     val[string] `key:"maxAge"`
	DeadLetter val[string] `key:"deadLetter"`
}

// pluginDef is a filter. It may also be written as the plugin's path alone.
type pluginDef struct {
	place
	settingsDef
}

// mappingDef may also be written as a path alone.
type mappingDef struct {
	place
	settingsDef
	Template val[string] `key:"template"`
}

type routeDef struct {
	place
	Authorizer  val[string]           `key:"authorizer"`
	Filters     list[pluginDef]       `key:"filters"`
	Timeout     val[string]           `key:"timeout"`
	IdleTimeout val[string]           `key:"idleTimeout"`
	MaxDuration val[string]           `key:"maxDuration"`
	Streaming   val[bool]             `key:"streaming"`
	Request     requestDef            `key:"request"`
	Integration integrationDef        `key:"integration"`
	Responses   list[responseRuleDef] `key:"responses"`

	MethodResponses dict[methodResponseDef] `key:"methodResponses"`
}

type requestDef struct {
	place
	MaxBody    val[any]          `key:"maxBody"`
	Parameters dict[val[bool]]   `key:"parameters"`
	Models     dict[val[string]] `key:"models"`
	Validate   list[val[string]] `key:"validate"`
	Mapping    dict[mappingDef]  `key:"mapping"`
}

type methodResponseDef struct {
	place
	Headers list[val[string]] `key:"headers"`
}

type responseRuleDef struct {
	place
	Match           val[string]       `key:"match"`
	Status          val[int64]        `key:"status"`
	Parameters      dict[val[string]] `key:"parameters"`
	ContentHandling val[string]       `key:"contentHandling"`
	Mapping         dict[mappingDef]  `key:"mapping"`
}

type integrationDef struct {
	place
	Function      val[string] `key:"function"`
	PayloadFormat val[string] `key:"payloadFormatVersion"`
	HTTP          val[string] `key:"http"`
	Upstream      val[string] `key:"upstream"`
	Path          val[string] `key:"path"`
	Mock          mockDef     `key:"mock"`
	Type          val[string] `key:"type"`
	URI           val[string] `key:"uri"`
	Subtype       val[string] `key:"subtype"`
	Method        val[string] `key:"method"`
	HTTPMethod    val[string] `key:"httpMethod"`
	Passthrough   val[string] `key:"passthroughBehavior"`
	Timeout       val[string] `key:"timeout"`

	ContentHandling val[string]       `key:"contentHandling"`
	Parameters      dict[val[string]] `key:"parameters"`
	TLSConfig       tlsConfigDef      `key:"tlsConfig"`
}

type tlsConfigDef struct {
	place
	Insecure val[bool] `key:"insecureSkipVerification"`
}

type mockDef struct {
	place
	Status  val[int64]        `key:"status"`
	Headers dict[val[string]] `key:"headers"`
	Body    val[string]       `key:"body"`
}

type stageDef struct {
	place
	Variables dict[val[string]] `key:"variables"`
}

type upstreamDef struct {
	place
	Targets        list[targetDef] `key:"targets"`
	Timeout        val[string]     `key:"timeout"`
	ConnectTimeout val[string]     `key:"connectTimeout"`
	IdleTimeout    val[string]     `key:"idleTimeout"`
	Balance        val[string]     `key:"balance"`
	HashOn         val[string]     `key:"hashOn"`
	MaxConnections val[int64]      `key:"maxConnections"`
	MaxRequests    val[int64]      `key:"maxRequests"`
	DNSRefresh     val[string]     `key:"dnsRefresh"`
	ProxyProtocol  val[string]     `key:"proxyProtocol"`
	HealthCheck    healthCheckDef  `key:"healthCheck"`
	Ejection       ejectionDef     `key:"ejection"`
	Retries        retriesDef      `key:"retries"`
	Breaker        breakerDef      `key:"circuitBreaker"`
	TLS            tlsDef          `key:"tls"`
}

// targetDef may also be written as the target's URL alone.
type targetDef struct {
	place
	URL    val[string] `key:"url"`
	Weight val[int64]  `key:"weight"`
}

type healthCheckDef struct {
	place
	Path      val[string] `key:"path"`
	Interval  val[string] `key:"interval"`
	Timeout   val[string] `key:"timeout"`
	Status    val[string] `key:"status"`
	Healthy   val[int64]  `key:"healthy"`
	Unhealthy val[int64]  `key:"unhealthy"`
}

type ejectionDef struct {
	place
	Failures val[int64]  `key:"failures"`
	For      val[string] `key:"for"`
	Max      val[int64]  `key:"max"`
}

type retriesDef struct {
	place
	Attempts val[int64]     `key:"attempts"`
	On       list[val[any]] `key:"on"`
	Backoff  val[string]    `key:"backoff"`
	Budget   val[int64]     `key:"budget"`
}

type breakerDef struct {
	place
	Failures val[int64]  `key:"failures"`
	For      val[string] `key:"for"`
}

type tlsDef struct {
	place
	CA         val[string] `key:"ca"`
	Cert       val[string] `key:"cert"`
	Key        val[string] `key:"key"`
	ServerName val[string] `key:"serverName"`
}
