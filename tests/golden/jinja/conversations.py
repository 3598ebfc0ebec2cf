"""Seeded random conversations with tools, odd contents and Unicode, for generate.py."""

import json
WORDS=["hi","Hello world","","  padded  ","\n\nlead","trail\n\n","<think>\nhmm\n</think>\n\nanswer","<think>x</think>y","code:\n```py\nprint('x')\n```","émoji 😀 ü","日本語テキスト","it's \"quoted\"","a & b < c > d","tab\there","/no_think please","x"*50,"</think>odd","<tool_response>r</tool_response>","\u00a0nbsp\u2003","null\u0000?","line1\r\nline2\x0bline3\u2028l4","{{ not a template }} {% if %}","ΑΣ ΟΔΟΣ ß ﬁ","-1","[1, 2]"]
def text(r): 
    return "".join(r.choice(WORDS) for _ in range(r.choice([1,1,1,2,3])))
def val(r,d=0):
    k=r.randrange(9 if d<2 else 6)
    return [lambda:r.randrange(-1000,10**r.randrange(1,17)),lambda:r.choice([0.1,1e-7,1e22,3.0,-2.5,1/3,123456.789]),lambda:r.choice([True,False]),lambda:None,lambda:text(r),lambda:r.choice(["a","b"]),
            lambda:[val(r,d+1) for _ in range(r.randrange(4))],lambda:{r.choice(["k","κ","q'","items","a b"]):val(r,d+1) for _ in range(r.randrange(4))},lambda:{}][k]()
def args(r): return {r.choice(["city","n","unit","opts"]):r.choice([text(r),text(r),val(r)]) for _ in range(r.randrange(4))}
def toolcall(r):
    f={"name":r.choice(["get_weather","f"]),"arguments":args(r) if r.random()<.8 else json.dumps(args(r))}
    c={"type":"function","function":f} if r.random()<.8 else f
    if r.random()<.8: c=dict(c,id=r.choice(["abcdef123","short","123456789"]))
    return c
def schema(r,d=0):
    t=r.choice(["string","integer","number","boolean","array","object","zzz"] if d<3 else ["string","integer"])
    if t=="array": return {"type":"array","items":schema(r,d+1)}
    if t=="object": return {"type":"object","properties":{k:schema(r,d+1) for k in r.sample(["a","B","c","Zed","é"],r.randrange(4))},"required":r.sample(["a","B","c"],r.randrange(3))}
    s={"type":t}
    if r.random()<.3: s["enum"]=r.sample(["x","y'","z\"",1,2.5],2)
    if r.random()<.3: s["description"]=text(r)
    return s
def tool(r): 
    f={"name":r.choice(["get_weather","f"]),"description":text(r),"parameters":{"type":"object","properties":{k:schema(r) for k in r.sample(["a","B","c","Zed","é"],r.randrange(4))},"required":["a"]}}
    if r.random()<.2: f["return"]={"type":"string"}
    return {"type":"function","function":f}
def content(r):
    x=r.random()
    if x<.8: return text(r)
    if x<.9: return [r.choice([{"type":"text","text":text(r)},{"type":"image"}]) for _ in range(r.randrange(1,4))]
    if x<.93: return None
    return val(r)
def messages(r):
    out=[]
    if r.random()<.5: out.append({"role":"system","content":text(r)})
    n=r.randrange(0 if out else 1,7)
    clean=r.random()<.6
    for i in range(n):
        if clean: role=["user","assistant"][i%2]
        else: role=r.choice(["user","user","assistant","assistant","tool","system","ipython"])
        m={"role":role,"content":text(r) if clean else content(r)}
        if role=="assistant":
            if not clean and r.random()<.4:
                m["tool_calls"]=[toolcall(r) for _ in range(r.choice([1,1,2]))]
                if r.random()<.5: m["content"]=r.choice(["",None,"calling"])
            if r.random()<.2: m["reasoning_content"]=text(r)
        if role=="tool": m["tool_call_id"]=r.choice(["abcdef123","x"]); m["name"]="f"
        out.append(m)
    return out
def random_variables(r):
    v={"messages":messages(r),"tools":None,"documents":None,"add_generation_prompt":r.random()<.5,"bos_token":"<s>","eos_token":"</s>"}
    if r.random()<.35: v["tools"]=[tool(r) for _ in range(r.randrange(1,3))]
    if r.random()<.2: v["enable_thinking"]=r.random()<.5
    if r.random()<.1: v["builtin_tools"]=["code_interpreter","brave_search"]
    if r.random()<.1: v["tools_in_user_message"]=False
    if r.random()<.1: v["date_string"]="1 Jan 2020"
    return v
