-- Copyright The apikey-operator Authors.
-- SPDX-License-Identifier: Apache-2.0

-- The action lua.apikey_verify asks the verifier whether a request may pass. It needs HAProxy 2.6 or later.
-- In:  txn.apikey_requirements, such as environment=Production&permission=customers:read
-- Out: txn.apikey_verdict is "allowed", the identity of the key is in the x-apikey-* headers, and the key is gone;
--      txn.apikey_ratelimit and txn.apikey_ratelimit_policy, if the key has a limit, are for the answer to the client.
-- Any other outcome is answered here. haproxy.cfg refuses what has no verdict, so an error in here lets nothing pass.

local identity = {
    "x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment",
    "x-apikey-permissions", "x-apikey-owner", "x-apikey-customers",
}
-- The verifier gets to see these headers, and the API does not. Where the requirements say credential=<header>, only that one
-- is taken off. Add what --credential-headers of the verifier says.
local credentials = { "authorization", "x-api-key" }
local refusals = { [401] = "Unauthorized", [403] = "Forbidden", [429] = "Too Many Requests", [500] = "Internal Server Error" }
local relayed = {
    "content-type", "cache-control", "www-authenticate", "x-apikey-reason", "retry-after", "ratelimit", "ratelimit-policy",
}
-- The timeouts of apikey_verifier in haproxy.cfg end first. Were it this one, HAProxy would ask three times more, and each
-- time counts against the limit of the key.
local timeout = 5000 -- milliseconds

-- values returns all values of a header. HAProxy counts from 0, Lua from 1.
local function values(headers, name)
    local list = {}
    for i = 0, #(headers[name] or {}) do
        list[#list + 1] = headers[name] and headers[name][i]
    end

    return list
end

-- ask puts the request to the verifier: its credentials, all of them, and for the log what it is for.
local function ask(txn)
    local client = txn.http:req_get_headers()
    local question = {
        ["host"] = { "apikey-verifier" },
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-host"] = { values(client, "host")[1] or "" },
        ["x-forwarded-uri"] = { txn.sf:pathq() },
    }
    for _, name in ipairs(credentials) do
        local list = values(client, name)
        if #list > 0 then
            question[name] = list
        end
    end
    local requirements = txn:get_var("txn.apikey_requirements") or ""

    return core.httpclient():get {
        url = "http://apikey-verifier/verify?" .. requirements, dst = "abns@apikey-verifier", headers = question, timeout = timeout,
    }
end

-- refuse answers the client as the verifier did.
local function refuse(txn, answer)
    local reply = txn:reply { status = answer.status, reason = refusals[answer.status], body = answer.body or "" }
    for _, name in ipairs(relayed) do
        for _, value in ipairs(values(answer.headers or {}, name)) do
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

-- fail answers 503. The reason is "unavailable" if the verifier did not answer.
local function fail(txn, reason, detail)
    local body = '{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"%s","reason":"%s"}'
    local reply = txn:reply { status = 503, reason = "Service Unavailable", body = body:format(detail, reason) }
    reply:add_header("content-type", "application/problem+json")
    reply:add_header("cache-control", "no-store")
    reply:add_header("x-apikey-reason", reason)
    txn:done(reply)
end

local function unavailable(txn)
    fail(txn, "unavailable", "the API key could not be checked: try again later")
end

-- required returns the value that the requirements have for a name, or nil.
local function required(txn, name)
    local value = ("&" .. (txn:get_var("txn.apikey_requirements") or "")):match("&" .. name .. "=([^&]+)")

    return value and value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end):lower()
end

-- said returns what the verifier says about the key: all headers about it, or those that the requirements name. One that is
-- missing makes the answer one of something else.
local function said(txn, answer)
    local list, wanted = {}, required(txn, "identity")
    for _, name in ipairs(identity) do
        local found = values(answer.headers, name)
        if #found == 1 then
            list[name] = found[1]
        elseif #found == 0 and wanted and not ("," .. wanted .. ","):find("," .. name:gsub("^x%-apikey%-", "") .. ",", 1, true) then
            list[name] = "" -- the API is not told
        else
            return nil
        end
    end

    return list
end

-- spent returns the headers that the API must not see: where the requirements name the one with the key, the others are its own.
local function spent(txn)
    local named = required(txn, "credential")

    return named and { named } or credentials
end

-- holds looks whether the request says what the verifier said, once, and nothing else. HAProxy leaves out a header that has
-- no room in its buffer, without an error: an identity without its customers would be one for every customer.
local function holds(txn, list)
    local headers = txn.http:req_get_headers()
    for name, value in pairs(list) do
        local found = values(headers, name)
        if #found > 1 or (found[1] or "") ~= value then
            return false
        end
    end
    for _, name in ipairs(spent(txn)) do
        if headers[name] then
            return false
        end
    end

    return true
end

-- allow replaces whatever the client said about itself.
local function allow(txn, answer)
    local list = said(txn, answer)
    if not list then
        return unavailable(txn)
    end
    for _, names in ipairs { spent(txn), identity } do
        for _, name in ipairs(names) do
            txn.http:req_del_header(name)
        end
    end
    for name, value in pairs(list) do
        if value ~= "" then
            txn.http:req_add_header(name, value)
        end
    end
    if not holds(txn, list) then
        return fail(txn, "identity_too_large", "the headers of the request leave no room for those about its API key")
    end
    for _, name in ipairs { "ratelimit", "ratelimit-policy" } do
        local value = values(answer.headers, name)[1]
        if value then
            txn:set_var("txn.apikey_" .. name:gsub("-", "_"), value)
        end
    end
    txn:set_var("txn.apikey_verdict", "allowed")
end

core.register_action("apikey_verify", { "http-req" }, function(txn)
    txn:set_var("txn.apikey_verdict", "refused")
    local answer = ask(txn)
    if answer and answer.status == 200 and answer.headers then
        allow(txn, answer)
    elseif answer and refusals[answer.status] then
        refuse(txn, answer)
    else
        unavailable(txn)
    end
end, 0)
