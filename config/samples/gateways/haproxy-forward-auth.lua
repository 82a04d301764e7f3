-- Copyright The apikey-operator Authors.
-- SPDX-License-Identifier: Apache-2.0

-- The action lua.apikey_verify asks the verifier whether a request may pass. It needs HAProxy 2.6 or later.
-- In:  txn.apikey_requirements, such as environment=Production&permission=customers:read
-- Out: txn.apikey_verdict is "allowed", the identity of the key is in the x-apikey-* headers, and the key is gone.
-- Any other outcome is answered here. haproxy.cfg refuses what has no verdict, so an error in here lets nothing pass.

local identity = {
    "x-apikey-id", "x-apikey-name", "x-apikey-namespace", "x-apikey-environment",
    "x-apikey-permissions", "x-apikey-owner", "x-apikey-customers",
}
local credentials = { "authorization", "x-api-key" }
local refusals = { [401] = "Unauthorized", [403] = "Forbidden", [429] = "Too Many Requests", [500] = "Internal Server Error" }
local relayed = {
    "content-type", "cache-control", "www-authenticate", "x-apikey-reason", "retry-after", "ratelimit", "ratelimit-policy",
}
local timeout = 2000 -- milliseconds

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

local function unavailable(txn)
    local reply = txn:reply { status = 503, reason = "Service Unavailable" }
    reply:add_header("cache-control", "no-store")
    txn:done(reply)
end

-- allow replaces whatever the client said about itself.
local function allow(txn, answer)
    for _, name in ipairs(identity) do
        local value = values(answer.headers, name)[1]
        if value == nil then
            return unavailable(txn) -- the verifier always answers with all seven: this is something else
        end
        txn.http:req_del_header(name)
        if value ~= "" then
            txn.http:req_add_header(name, value)
        end
    end
    for _, name in ipairs(credentials) do
        txn.http:req_del_header(name)
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
