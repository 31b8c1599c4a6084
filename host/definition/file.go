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
	Domains   dict[dict[val[string]]] `key:"domains"`
}

type apiDef struct {
	place
	Protocol        val[string]         `key:"protocol"`
	Root            val[bool]           `key:"root"`
	DefaultEndpoint val[bool]           `key:"defaultEndpoint"`
	CORS            corsDef             `key:"cors"`
	Authorizers     dict[authorizerDef] `key:"authorizers"`
	Routes          dict[routeDef]      `key:"routes"`
	Stages          dict[stageDef]      `key:"stages"`
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
	Isolation   val[string]       `key:"isolation"`
	Env         dict[val[string]] `key:"env"`
	Secrets     dict[secretDef]   `key:"secrets"`
	Egress      list[val[string]] `key:"egress"`
	Config      tree              `key:"config"`
}

type secretDef struct {
	place
	File val[string] `key:"file"`
	Env  val[string] `key:"env"`
}

type authorizerDef struct {
	place
	settingsDef
	IdentitySources list[val[string]] `key:"identitySources"`
	ResultTTL       val[string]       `key:"resultTTL"`
	PayloadFormat   val[string]       `key:"payloadFormatVersion"`
}

type functionDef struct {
	place
	settingsDef
	URL val[bool] `key:"url"`
}

// mappingDef may also be written as the plugin's path alone.
type mappingDef struct {
	place
	settingsDef
}

type routeDef struct {
	place
	Authorizer  val[string]           `key:"authorizer"`
	Timeout     val[string]           `key:"timeout"`
	Streaming   val[bool]             `key:"streaming"`
	Request     requestDef            `key:"request"`
	Integration integrationDef        `key:"integration"`
	Responses   list[responseRuleDef] `key:"responses"`
}

type requestDef struct {
	place
	MaxBody val[any]         `key:"maxBody"`
	Mapping dict[mappingDef] `key:"mapping"`
}

type responseRuleDef struct {
	place
	Match   val[string]      `key:"match"`
	Status  val[int64]       `key:"status"`
	Mapping dict[mappingDef] `key:"mapping"`
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
	Method        val[string] `key:"method"`
	Passthrough   val[string] `key:"passthroughBehavior"`
	Timeout       val[string] `key:"timeout"`
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
	Targets list[val[string]] `key:"targets"`
	Timeout val[string]       `key:"timeout"`
	TLS     tlsDef            `key:"tls"`
}

type tlsDef struct {
	place
	CA         val[string] `key:"ca"`
	ServerName val[string] `key:"serverName"`
}
