package wap

// contentTypes are the well-known content types by number.
// WAP-230-WSP, table 40, as OMNA carries it on.
var contentTypes = []string{
	"*/*", "text/*", "text/html", "text/plain", "text/x-hdml", "text/x-ttml", "text/x-vcalendar", "text/x-vcard",
	"text/vnd.wap.wml", "text/vnd.wap.wmlscript", "text/vnd.wap.wta-event", "multipart/*", "multipart/mixed",
	"multipart/form-data", "multipart/byteranges", "multipart/alternative",
	"application/*", "application/java-vm", "application/x-www-form-urlencoded", "application/x-hdmlc",
	"application/vnd.wap.wmlc", "application/vnd.wap.wmlscriptc", "application/vnd.wap.wta-eventc",
	"application/vnd.wap.uaprof", "application/vnd.wap.wtls-ca-certificate", "application/vnd.wap.wtls-user-certificate",
	"application/x-x509-ca-cert", "application/x-x509-user-cert", "image/*", "image/gif", "image/jpeg", "image/tiff",
	"image/png", "image/vnd.wap.wbmp", "application/vnd.wap.multipart.*", "application/vnd.wap.multipart.mixed",
	"application/vnd.wap.multipart.form-data", "application/vnd.wap.multipart.byteranges",
	"application/vnd.wap.multipart.alternative", "application/xml", "text/xml", "application/vnd.wap.wbxml",
	"application/x-x968-cross-cert", "application/x-x968-ca-cert", "application/x-x968-user-cert", "text/vnd.wap.si",
	"application/vnd.wap.sic", "text/vnd.wap.sl",
	"application/vnd.wap.slc", "text/vnd.wap.co", "application/vnd.wap.coc", "application/vnd.wap.multipart.related",
	"application/vnd.wap.sia", "text/vnd.wap.connectivity-xml", "application/vnd.wap.connectivity-wbxml",
	"application/pkcs7-mime", "application/vnd.wap.hashed-certificate", "application/vnd.wap.signed-certificate",
	"application/vnd.wap.cert-response", "application/xhtml+xml", "application/wml+xml", "text/css",
	"application/vnd.wap.mms-message", "application/vnd.wap.rollover-certificate",
	"application/vnd.wap.locc+wbxml", "application/vnd.wap.loc+xml", "application/vnd.syncml.dm+wbxml",
	"application/vnd.syncml.dm+xml", "application/vnd.syncml.notification", "application/vnd.wap.xhtml+xml",
	"application/vnd.wv.csp.cir", "application/vnd.oma.dd+xml", "application/vnd.oma.drm.message",
	"application/vnd.oma.drm.content", "application/vnd.oma.drm.rights+xml", "application/vnd.oma.drm.rights+wbxml",
	"application/vnd.wv.csp+xml", "application/vnd.wv.csp+wbxml", "application/vnd.syncml.ds.notification", "audio/*",
	"video/*", "application/vnd.oma.dd2+xml", "application/mikey", "application/vnd.oma.dcd", "application/vnd.oma.dcdc",
}

// registeredTypes are those of the numbers registered with OMNA that are pushed.
var registeredTypes = map[uint64]string{
	0x0201: "application/vnd.uplanet.cacheop-wbxml",
	0x0202: "application/vnd.uplanet.signal",
	0x0203: "application/vnd.uplanet.alert-wbxml",
	0x0207: "application/vnd.uplanet.provisioning-status-uri",
	0x0300: "application/iota.mmc-wbxml",
	0x0301: "application/iota.mmc-xml",
	0x0302: "application/vnd.syncml+xml",
	0x0303: "application/vnd.syncml+wbxml",
	0x0304: "text/vnd.wap.emn+xml",
	0x0305: "text/calendar",
	0x030A: "application/vnd.wap.emn+wbxml",
	0x030E: "application/vnd.cmcc.setting+wbxml",
	0x030F: "application/vnd.cmcc.bombing+wbxml",
	0x0310: "application/vnd.docomo.pf",
	0x0311: "application/vnd.docomo.ub",
	0x0312: "application/vnd.omaloc-supl-init",
	0x0316: "application/vnd.oma.drm.roap-trigger+wbxml",
}

// kinds say for people what a body is that is known by its content type only.
var kinds = map[string]string{
	"application/vnd.wap.coc":                    "cache operation",
	"text/vnd.wap.co":                            "cache operation",
	"application/vnd.wap.sia":                    "session initiation",
	"application/vnd.wap.connectivity-wbxml":     "OMA connection settings",
	"text/vnd.wap.connectivity-xml":              "OMA connection settings",
	"application/x-wap-prov.browser-settings":    "Nokia/Ericsson browser settings",
	"application/x-wap-prov.browser-bookmarks":   "Nokia/Ericsson bookmarks",
	"application/x-prov.syncset+wbxml":           "Nokia/Ericsson SyncML settings",
	"application/vnd.syncml.notification":        "SyncML device management notification",
	"application/vnd.syncml.ds.notification":     "SyncML data synchronisation notification",
	"application/vnd.syncml.dm+wbxml":            "SyncML device management",
	"application/vnd.wap.emn+wbxml":              "e-mail notification",
	"text/vnd.wap.emn+xml":                       "e-mail notification",
	"application/vnd.wap.locc+wbxml":             "location invocation",
	"application/vnd.wap.loc+xml":                "location invocation",
	"application/vnd.omaloc-supl-init":           "location request (SUPL)",
	"application/vnd.oma.drm.rights+xml":         "DRM rights",
	"application/vnd.oma.drm.rights+wbxml":       "DRM rights",
	"application/vnd.oma.drm.roap-trigger+wbxml": "DRM rights trigger",
	"application/vnd.wap.multipart.mixed":        "several bodies",
	"application/vnd.wap.multipart.related":      "several bodies",
	"text/x-vcard":                               "business card",
	"text/x-vcalendar":                           "appointment",
}

// headerNames are the header fields of the default code page by number.
// WAP-230-WSP, table 39.
var headerNames = []string{
	"Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Age", "Allow", "Authorization",
	"Cache-Control", "Connection", "Content-Base", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Location", "Content-MD5",
	"Content-Range", "Content-Type", "Date", "Etag", "Expires", "From", "Host", "If-Modified-Since",
	"If-Match", "If-None-Match", "If-Range", "If-Unmodified-Since", "Location", "Last-Modified", "Max-Forwards", "Pragma",
	"Proxy-Authenticate", "Proxy-Authorization", "Public", "Range", "Referer", "Retry-After", "Server", "Transfer-Encoding",
	"Upgrade", "User-Agent", "Vary", "Via", "Warning", "WWW-Authenticate", "Content-Disposition", "X-Wap-Application-Id",
	"X-Wap-Content-URI", "X-Wap-Initiator-URI", "Accept-Application", "Bearer-Indication", "Push-Flag", "Profile",
	"Profile-Diff", "Profile-Warning",
	"Expect", "TE", "Trailer", "Accept-Charset", "Accept-Encoding", "Cache-Control", "Content-Range", "X-Wap-Tod",
	"Content-ID", "Set-Cookie", "Cookie", "Encoding-Version", "Profile-Warning", "Content-Disposition", "X-WAP-Security",
	"Cache-Control", "Expect", "X-Wap-Loc-Invocation", "X-Wap-Loc-Delivery",
}

// parameterNames are the parameters of a content type by number; "" is not
// assigned. WAP-230-WSP, table 38.
var parameterNames = []string{
	"Q", "Charset", "Level", "Type", "", "Name", "Filename", "Differences",
	"Padding", "Type", "Start", "Start-info", "Comment", "Domain", "Max-Age", "Path",
	"Secure", "SEC", "MAC", "Creation-date", "Modification-date", "Read-date", "Size", "Name",
	"Filename", "Start", "Start-info", "Comment", "Domain", "Path",
}

// applications are the push applications of WAP and OMA by number. OMNA.
var applications = map[uint64]string{
	0x00: "x-wap-application:*",
	0x01: "x-wap-application:push.sia",
	0x02: "x-wap-application:wml.ua",
	0x03: "x-wap-application:wta.ua",
	0x04: "x-wap-application:mms.ua",
	0x05: "x-wap-application:push.syncml",
	0x06: "x-wap-application:loc.ua",
	0x07: "x-wap-application:syncml.dm",
	0x08: "x-wap-application:drm.ua",
	0x09: "x-wap-application:emn.ua",
	0x0A: "x-wap-application:wv.ua",
	0x10: "x-oma-application:ulp.ua",
	0x11: "x-oma-application:dlota.ua",
	0x12: "x-oma-application:java-ams",
	0x13: "x-oma-application:bcast.ua",
	0x14: "x-oma-application:dpe.ua",
}
