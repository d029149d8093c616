"""The templates, conversations and expressions of the goldens that chat_templates.py makes."""

TEMPLATES = {
    "chatml": "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
              "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
              "{% endif %}",
    "llama3": """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}

{#- This block extracts the system message, so we can slot it into the right place. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "qwen2": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "qwen3_like": """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set content = message.content %}
    {%- if message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is defined and message.reasoning_content is not none %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in message.content %}
                {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
                {%- set reasoning_content = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or (not loop.last and reasoning_content)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "mistral": "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
               "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
               "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
               "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token}}{% else %}"
               "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}",
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + "
              "eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n"
              "{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n"
              "{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "gemma": "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
             "{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}"
             "{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + "
             "message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}"
             "{{'<start_of_turn>model\\n'}}{% endif %}",
    "macros": """{%- macro turn(role, content, end='<end>') -%}
<{{ role }}>{{ content | trim }}{{ end }}
{%- endmacro -%}
{%- for m in messages if m.role != 'system' -%}
{{ turn(m.role, m.content) }}{{ turn(role='x', content=m.content | upper, end='') }}
{%- else -%}
nothing
{%- endfor -%}
""",
    "expressions": """{# every kind of expression #}
{{ 1 + 2 * 3 - 4 // 3 % 5 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** 10 }} {{ 1.5 * 2 }} {{ 'a' ~ 1 ~ none ~ true }}
{{ 'ab' * 3 }} {{ [1, 'two', 3.0, none, true, "it's"] }} {{ {'a': 1, 'b': [2]} }} {{ (1, 2) }} {{ (1,) }}
{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ 'a' in 'cat' }} {{ 'x' not in ['x'] }} {{ not true and false or true }}
{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ [1,2,3,4][-2:] }} {{ [1,2,3][5:] }} {{ 'é€😀x'[1] }} {{ 'abc'[-1] }} {{ [1,2,3][0] }}
{{ 'a,b,,c'.split(',') }} {{ '  a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ ' x '.strip() }}| {{ 'xxaxx'.strip('x') }}
{{ 'Hello'.upper() }} {{ 'Hello'.lower() }} {{ 'hello world'.title() }} {{ 'hELLO'.capitalize() }} {{ 'aXbX'.replace('X', '-') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'bc')) }} {{ 'a\\nb\\r\\nc'.splitlines() }} {{ 'abcb'.find('b') }} {{ 'abcb'.count('b') }}
{{ {'a': 1}.items() | list }} {{ {'a': 1}.get('b', 'no') }} {{ {'a': 1}.keys() | list }} {{ {'a': 1}.values() | list }}
{{ [3, 1, 2] | sort }} {{ [3, 1, 2] | sort(reverse=true) }} {{ ['b', 'A'] | sort }} {{ [1, 2] | join('-') }} {{ [1, 2] | first }} {{ [1, 2] | last }}
{{ [{'a': 1}, {'a': 2}, {'b': 3}] | selectattr('a', 'defined') | map(attribute='a') | list }} {{ [1, 0, 2] | select | list }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3] | reject('equalto', 2) | list }} {{ ['a', 'b'] | map('upper') | join }}
{{ missing | default('d') }} {{ '' | default('e', true) }} {{ missing is defined }} {{ none is none }} {{ 3 is odd }} {{ 4 is divisibleby 2 }}
{{ 'x' is string }} {{ {} is mapping }} {{ [] is iterable }} {{ 1 is number }} {{ 1.0 is float }} {{ true is boolean }} {{ 'a' is in ['a'] }}
{{ 'yes' if 1 else 'no' }} {{ 'only' if false }} {{ [1, 2, 3] | length }} {{ 'abc' | length }} {{ range(3) | list }} {{ range(5, 1, -2) | list }}
{{ {'z': 1, 'a': [1, {'b': "q\\"é"}], 'n': none, 't': true, 'f': 1.5} | tojson }} {{ {'z': 1, 'a': [1, 2]} | tojson(indent=2) }} {{ [] | tojson(indent=2) }}
{{ 1e3 }} {{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e20 }} {{ 1e-7 }} {{ 123456789.125 }} {{ "12" | int + 1 }} {{ "1.5" | float }} {{ 3.7 | int }} {{ 2.567 | round(2) }}
{{ [1, [2, 3]] + [4] }} {{ 'a' 'b' }} {{ "\\u00e9\\x41\\t|" }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1} }} {{ 'b' > 'a' }} {{ [1, 1, 2] | unique | list }}
{{ [2, 1] | min }} {{ [2, 1] | max }} {{ [1, 2] | sum }} {{ 'abc' | reverse }} {{ [1, 2] | reverse | list }} {{ 'a\\nb' | indent(2) }} {{ messages[0]['nothing'] }}|
{%- set a, b = (1, 2) %} {{ a }}{{ b }} {%- set ns = namespace(n=0, s='') %}
{%- for k, v in {'x': 1, 'y': 2}.items() %}{% set ns.n = ns.n + v %}{% set ns.s = ns.s ~ k %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% endfor %} {{ ns.n }}{{ ns.s }}
{%- for i in range(10) %}{% if i == 2 %}{% continue %}{% elif i > 4 %}{% break %}{% endif %}{{ i }}{{ loop.revindex }}{% endfor %}
{%- for i in [] %}x{% else %} empty{% endfor %} {% set block %}in {{ 1 + 1 }} block{% endset %}{{ block }} {% set f | upper %}loud{% endset %}{{ f }}
{% raw %}{{ not run }} {% no %}{% endraw %} {{ '}}' }} {{ '%}' }} {{ {'a': {'b': 1}}.a.b }} {{ {'a': {}} }}
""",
    "whitespace": "  {% if true %}  \n  a\n  {%- if true -%}  \n b \n{%- endif +%}\n  {%+ if true %}\nc{% endif %}\n"
                  "\t{# note #}\n d {#- n -#} \n e\n{{ 'x' }}\n {{- 'y' -}} \n\n{% for i in [1,2] %}\n {{ i }}\n{% endfor %}\n{% endif %}\n\n",
    "crlf": "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\r\n",
    "dated": """{%- if strftime_now is defined %}{% set today = strftime_now('%d %b %Y') %}{% else %}{% set today = 'no day' %}{% endif -%}
{{- bos_token }}Today is {{ today }}, {{ strftime_now("%Y-%m-%d %H:%M:%S %j %f%z%Z%%") }}, {{ strftime_now('%B %-d') }}
{%- for m in messages %} {{ m.role }}: {{ m.content }}{% endfor %}""",
    "generation": """{%- set seen = 'outside' -%}
{%- for m in messages %}
{%- if m.role == 'assistant' %}{% generation %}{% set seen = 'inside' %}{{ m.content }}{{ eos_token }}{% endgeneration %}
{%- else %}[{{ m.role }}]{{ m.content }}{% endif %}{{ seen }}
{%- endfor %}""",
    "blocks": """{%- macro wrap(tag, kind='x') %}<{{ tag }} {{ kind }}{{ varargs }}{{ kwargs }}>{{ caller('c') }}</{{ tag }}>{% endmacro -%}
{%- macro outer(a) %}{% macro inner(b) %}{{ a }}{{ b }}{{ later }}{% endmacro %}{{ inner(a ~ '!') }}{% endmacro -%}
{%- set later = 'known later' -%}
{% call(word) wrap('b', 'y', 3, four=4) %}{{ word }}{{ messages | length }}{% endcall %}
{% filter upper | replace('H', 'j') %}hello {{ messages[0].role }}{% endfilter %}
{% with a = 1, b = 'two' %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{{ outer('p') }} {{ outer(a='q') }} {{ wrap is callable }} {{ nothing is callable }} {{ 'x'.upper is callable }}
{% for m in messages recursive %}{{ loop.depth }}{{ loop.index }}{% if loop.depth < 3 %}({{ loop(messages[:1]) }}){% endif %}{% endfor %}
{% set ns = namespace(found=false, n=0) %}{% for m in messages if not ns.found %}{% set ns.found = m.role == 'user' %}{% set ns.n = ns.n + 1 %}{{ loop.index }}{% endfor %}{{ ns.n }}
{% for m in messages %}{{ loop.cycle('a', 'b') }}{{ loop.changed(m.role) }}{{ loop.previtem.role if loop.previtem is defined }}{{ loop.nextitem.role if not loop.last }}{{ loop.revindex0 }}{{ loop.length }}{% endfor %}
{% set ns.text %}block {{ ns.n }}{% endset %}{{ ns.text }} {% set comma = joiner(' | ') %}{% for m in messages %}{{ comma() }}{{ m.role }}{% endfor %}
{% set c = cycler('o', 'e') %}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.next() }}
{% for (a, b), c in [((1, 2), 3), ((4, 5), 6)] %}{{ a }}{{ b }}{{ c }}{% endfor %}{% for k, v in {'x': {'y': 1}}.items() %}{{ k }}{{ v }}{% else %}none{% endfor %}""",
    "keys": """{%- set names = {1: 'one', none: 'nothing', true: 'yes', (1, 2): 'pair', 2.5: 'half', 'a': 'text'} -%}
{{ names[1] }} {{ names[none] }} {{ names[(1, 2)] }} {{ names[2.5] }} {{ names.a }} {{ names['a'] }} {{ names | length }} {{ 1 in names }} {{ (1, 2) in names }} {{ 3 in names }}
{{ names }} {{ {1: 'a', none: 2, true: 3} | tojson }} {{ {2: 'b', 1: 'a'} | dictsort }} {{ names.get(2.5) }} {{ names.get(9, 'no') }} {{ names.keys() | list }}
{% for k, v in names.items() %}{{ k }}={{ v }};{% endfor %} {{ dict([(1, 'a'), ('b', 2)], c=3) }} {{ {'items': 1}['items'] }} {{ {'items': 1}.items() | list }} {{ {1.0: 'x', 1: 'y'} }}""",
    "reasoning": "{% for m in messages %}[{{ m.role }}|{{ m.reasoning_content }}|{{ m.thinking }}|{{ m.content }}]{% endfor %}",
    "truth": """{{ 'some' if messages | selectattr('role', 'equalto', 'none') else 'none' }} {{ 'some' if messages | selectattr('role', 'equalto', 'none') | list else 'none' }}
{%- set g = messages | map(attribute='role') %} {{ g | first }} {{ g | join('+') }} {{ g | join('+') }}|{{ none | map('upper') | list }}{{ none | select | list }}{{ none | selectattr('a') | list }}
{%- set s = '<b>' | safe %} {{ s + '<i>' }} {{ s ~ 1 ~ '<u>' }} {{ '<' | escape }} {{ ('<' | e) ~ '>' }} {{ s | upper }} {{ s | string + '&' }} {{ [s] | join('<') }} {{ s is escaped }} {{ s.strip('<') + '<' }}
{{ None | trim }} {{ None | upper }} {{ None | string }} {{ None | int }} {{ None | default('d') }} {{ None | tojson }} {{ none | replace('N', 'n') }} {{ missing | trim }}{{ missing | length }}{{ missing | list }}{{ missing | join }}""",
}

CONVERSATIONS = [
    [{"role": "user", "content": "Hello"}],
    [{"role": "system", "content": " Be short. "}, {"role": "user", "content": "¿Qué tal?\n"},
     {"role": "assistant", "content": "<think>\nhm\n</think>\n\nBien 👍"}, {"role": "user", "content": "a \"b\" {{ c }}"}],
    [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}, {"role": "user", "content": "3"}],
    [{"role": "assistant", "content": "first"}, {"role": "user", "content": ""}],
    [{"role": "user", "content": "weather?"},
     {"role": "assistant", "content": "", "tool_calls": [
         {"function": {"name": "get", "arguments": {"city": "León", "days": [1, 2.5, None, True]}}}]},
     {"role": "tool", "content": "sunny"}, {"role": "tool", "content": "warm"}],
    [{"role": "user", "content": "2 + 2?"},
     {"role": "assistant", "reasoning": "Four.", "content": "4"}, {"role": "user", "content": "Sure?"},
     {"role": "assistant", "content": None, "thinking": "Yes."}],
]

# One line each, rendered alone: every filter, test, method and function with every argument it has, by position and by
# name, and with some that it has not. What Python prints with an address is left out.
EXPRESSIONS = r"""
{{ [1, 2] | sum }} {{ [1, 2] | sum(start=10) }} {{ people | sum(attribute='age') }} {{ people | sum('age', 1) }} {{ [[1], [2]] | sum(start=[]) }} {{ [0.5, 1] | sum }}
{{ [1, 2] | sum(begin=3) }}
{{ ['a'] | sum(start='') }}
{{ {'b': 1, 'A': 3, 'c': 2} | dictsort }} {{ {'b': 1, 'A': 3} | dictsort(true) }} {{ {'b': 1, 'A': 3} | dictsort(by='value') }} {{ {'b': 1, 'A': 3} | dictsort(false, 'value', true) }} {{ {'b': 1, 'a': 2} | dictsort(reverse=true) }}
{{ {'b': 1} | dictsort(by='size') }}
{{ {'b': 1} | dictsort(order='up') }}
{{ {'b': 1, 2: 3} | dictsort }}
{{ 'x' | int(5) }} {{ 'x' | int(default=5) }} {{ '0x1f' | int(base=16) }} {{ '1f' | int(0, 16) }} {{ '1_000' | int }} {{ ' 12 ' | int }} {{ '-7' | int }} {{ '+7' | int }} {{ '3.9' | int }} {{ '1e3' | int }} {{ 3.9 | int }} {{ -3.9 | int }} {{ true | int }} {{ none | int(4) }} {{ [] | int(default='d') }} {{ '0b11' | int(0, 2) }} {{ 'inf' | int(6) }} {{ '' | int(8) }}
{{ 'x' | int(3, base=10, more=1) }}
{{ missing | int }}
{{ 'x' | float(1.5) }} {{ '1.25' | float }} {{ ' -2e3 ' | float }} {{ 'x' | float(default='d') }} {{ 3 | float }} {{ true | float }} {{ none | float }} {{ 'inf' | float }} {{ '1_0.5' | float }}
{{ 'x' | float(fallback=1) }}
{{ 2.7 | round }} {{ 2.7 | round(0, 'floor') }} {{ 2.2 | round(method='ceil') }} {{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 1.115 | round(2) }} {{ 7 | round }} {{ 1234 | round(-2) }} {{ 1250 | round(-2) }} {{ 1234.5 | round(-2) }} {{ -2.5 | round }} {{ 42.55 | round(1, 'floor') }} {{ true | round }} {{ 3 | round(1, 'ceil') }}
{{ 2.5 | round(method='up') }}
{{ 'a' | round }}
{{ 'a\n\nb' | indent }} {{ 'a\n\nb' | indent(2) }} {{ 'a\n\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, false, true) }} {{ 'a\nb\n' | indent(width='> ', first=true, blank=true) }} {{ 'a\r\nb' | indent(1) }} {{ '' | indent(2, true) }}|
{{ 'a' | indent(indentfirst=true) }}
{{ none | indent }}
{{ [[1, 2], [3, 4]] | map(attribute=1) | list }} {{ people | map(attribute='name') | list }} {{ people | map(attribute='home.city', default='?') | list }} {{ people | map(attribute='tags.0') | list }} {{ people | map(attribute='tags.0', default='none') | list }} {{ ['a', 'b'] | map('replace', 'a', 'c') | list }} {{ ['a', 'b'] | map('indent', width=2, first=true) | list }} {{ [[3, 1], [2]] | map('sort', reverse=true) | list }} {{ [[1, 2], [3]] | map('map', 'string') | map('join', '-') | list }} {{ ['1', 'x'] | map('int', default=7) | list }}
{{ people | map(attribute='home.city') | list }}
{{ ['a'] | map(attribute='x', other=1) | list }}
{{ ['a'] | map('upper', 1) | list }}
{{ ['a'] | map('frobnicate') | list }}
{{ ['a'] | map | list }}
{{ ['a', 'A', 'b'] | unique | list }} {{ ['a', 'A', 'b'] | unique(true) | list }} {{ ['a', 'A'] | unique(case_sensitive=true) | list }} {{ people | unique(attribute='age') | map(attribute='name') | list }} {{ [1, 1.0, true, 2] | unique | list }} {{ [(1, 2), (1, 2)] | unique | list }}
{{ [[1], [1]] | unique | list }}
{{ [1] | unique(sorted=true) | list }}
{{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(true) }} {{ ['b', 'A', 'c'] | sort(false, true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }} {{ people | sort(attribute='age,name', reverse=true) | map(attribute='name') | list }} {{ people | sort(attribute='age,name', case_sensitive=true) | map(attribute='name') | list }} {{ [[2, 1], [1, 3]] | sort(attribute=1) }} {{ 'hello' | sort }} {{ {'b': 1, 'a': 2} | sort }} {{ [true, 0, 0.5] | sort }} {{ [(2, 'a'), (1, 'b')] | sort }}
{{ [1, 'a'] | sort }}
{{ [1] | sort(key='a') }}
{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ ['b', 'A'] | min }} {{ ['b', 'A'] | min(true) }} {{ (people | max(attribute='age')).name }} {{ (people | min(attribute='name', case_sensitive=true)).name }} {{ [] | min }}|{{ 'hello' | max }}
{{ [1] | max(default=2) }}
{{ people | groupby('age') | map('first') | list }} {% for age, who in people | groupby('age') %}{{ age }}: {{ who | map(attribute='name') | join('/') }};{% endfor %} {% for g in people | groupby('home.city', default='?') %}{{ g.grouper }}{{ g.list | length }}{{ g[0] }}{% endfor %} {% for k, v in ['a', 'B', 'A'] | groupby(0) %}{{ k }}{{ v }}{% endfor %} {% for k, v in ['a', 'B', 'A'] | groupby(0, case_sensitive=true) %}{{ k }}{{ v }}{% endfor %}
{{ people | groupby | list }}
{{ range(7) | batch(3) | list }} {{ range(7) | batch(3, 'x') | list }} {{ range(7) | slice(3) | list }} {{ range(7) | slice(3, fill_with='x') | list }} {{ [] | batch(2) | list }} {{ [1] | slice(2) | list }}
{{ range(7) | batch(size=3) | list }}
{{ [1, 2, 3] | join }} {{ [1, 2, 3] | join(', ') }} {{ people | join('/', 'name') }} {{ people | join(attribute='age', d='+') }} {{ 'abc' | join('-') }} {{ {'a': 1, 'b': 2} | join('-') }} {{ [none, true, missing] | join(',') }} {{ [1, 2] | join(0) }}
{{ [1] | join(sep=',') }}
{{ 5 | join }}
{{ none | join }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3, 4] | reject('divisibleby', 2) | list }} {{ [1, 2, 3] | select('>', 1) | list }} {{ [1, 2, 3] | select('in', [1, 3]) | list }} {{ [0, '', none, 1] | select | list }} {{ [0, '', none, 1] | reject | list }} {{ people | selectattr('tags') | map(attribute='name') | list }} {{ people | rejectattr('home', 'defined') | map(attribute='name') | list }} {{ people | selectattr('age', 'lt', 10) | map(attribute='name') | list }} {{ people[:2] | selectattr('home.city', 'eq', 'oslo') | list | length }} {{ [4, 6] | select('divisibleby', num=3) | list }}
{{ people[:2] | selectattr('home.city', 'eq', 'oslo') | map(attribute='name') | list }}
{{ people | selectattr('home.city', 'eq', 'oslo') | list }}
{{ [1] | select('frobnicated') | list }}
{{ [1] | selectattr | list }}
{{ 'aXbX' | replace('X', '-') }} {{ 'aXbX' | replace('X', '-', 1) }} {{ 'aXbX' | replace(old='X', new='', count=1) }} {{ 5 | replace(5, 6) }} {{ 'ab' | replace('', '.') }} {{ none | replace('None', 'x') }} {{ 'aa' | replace('a', 'b', none) }}
{{ 'a' | replace('a') }}
{{ 'a' | replace('a', 'b', times=2) }}
{{ ' a ' | trim }}|{{ 'xxaxx' | trim('x') }} {{ 'xyaxy' | trim(chars='yx') }} {{ 5 | trim }}
{{ 'a' | trim(side='left') }}
{{ missing | default }}|{{ missing | default('d') }} {{ '' | default('d') }}|{{ '' | default('d', true) }} {{ none | d('e', boolean=true) }} {{ 0 | default(default_value=5, boolean=true) }} {{ false | default('x') }}
{{ missing | default(value='d') }}
{{ -5 | abs }} {{ -5.5 | abs }} {{ true | abs }}
{{ 'a' | abs }}
{{ 'hello world-wide (now)' | title }} {{ "it's o'neil's" | title }} {{ 'ÀÉ ßa ﬁn' | title }} {{ 'hELLO wORLD' | capitalize }} {{ 'ﬁne' | capitalize }} {{ 'ΑΣ ΑΣΑ' | lower }} {{ 'straße' | upper }} {{ 'İ' | lower }}
{{ 'a' | upper(1) }}
{{ 'abc' | center(9) }}|{{ 'ab' | center(5) }}|{{ 'abcde' | center(width=2) }}|{{ 'abcd' | center(7) }}|
{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, true) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, false, '…', 0) }} {{ 'short' | truncate(3, leeway=2) }} {{ 'foobarbaz qux' | truncate(length=5, end='') }}
{{ 'abc' | truncate(1) }}
{{ 'one two, three_3 é' | wordcount }} {{ 'a b/c?d=é&~' | urlencode }} {{ {'a b': 'c/d', 'e': 1} | urlencode }} {{ [('x', '&')] | urlencode }} {{ '%s-%03d-%5.1f|%-4s|%x|%r|%%' | format('a', 7, 2.25, 'b', 255, 'q') }} {{ '%(a)s %(b)5.2f' | format(a=1, b=2.5) }}
{{ '%s' | format(1, 2) }}
{{ '%d' | format('a') }}
{{ '%s and %d' % ('a', 3) }} {{ '%s' % 'one' }} {{ '%s' % [1, 2] }} {{ '%5s|%-5s|%05d|%+d|% d' % ('a', 'b', 42, 7, 7) }} {{ '%e %g %G %.3g' % (12345.678, 0.0001, 1e20, 2) }} {{ '%c%c' % (65, 'b') }} {{ '%i %o %X' % (3.9, 8, 255) }} {{ '%#x' % 255 }} {{ '%.2s' % 'abc' }} {{ '%s' % none }}
{{ '%s %s' % 'one' }}
{{ '{} {}'.format(1, 'b') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{x} {y.z} {l[0]} {d[k]}'.format(x=1, y={'z': 2}, l=[3], d={'k': 4}) }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }} {{ '{:05.1f} {:+d} {:,} {:x} {:#b} {:e} {:.2%}'.format(3.14159, 5, 1234567, 255, 5, 12345.678, 0.256) }} {{ '{!r} {!s}'.format('a', 'b') }} {{ '{{}} {}'.format(1) }} {{ '{:6}|{:6}'.format(42, 'ab') }} {{ '{:,.2f}'.format(1234567.891) }} {{ '{:_}'.format(1000000) }} {{ '{:>4}'.format(true) }} {{ '{:.3}'.format('abcdef') }}
{{ '{}'.format() }}
{{ '{x}'.format(y=1) }}
{{ '{:d}'.format('a') }}
{{ {'b': 1, 'a': 'é'} | tojson }} {{ {'b': 1, 'a': 'é😀'} | tojson(true) }} {{ {'b': [1, 2], 'a': {}} | tojson(indent=2) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ [1, 2] | tojson(indent=1, separators=(';', '=')) }} {{ {'a': [1, [2]]} | tojson(indent='--') }} {{ [1] | tojson(false, none, none, false) }} {{ (1, 2) | tojson }} {{ 'a"\\\\\n\t/' | tojson }} {{ 1.0 | tojson }} {{ 1e100 | tojson }} {{ [[], {}] | tojson(indent=0) }} {{ '<&>' | tojson }}
{{ [1, 2] | tojson(nonsense=1) }}
{{ missing | tojson }}
{{ range(2) | tojson }}
{{ [1] | map('string') | tojson }}
{{ {(1, 2): 3} | tojson }}
{{ {'a': 1, 2: 3} | tojson(sort_keys=true) }}
{{ [1, 2, 3] | first }} {{ [1, 2, 3] | last }} {{ 'abc' | first }} {{ 'abc' | last }} {{ {'a': 1, 'b': 2} | first }} {{ {'a': 1, 'b': 2} | last }} {{ [] | first }}|{{ [] | last }}|{{ range(3) | last }} {{ [1, 2] | map('string') | first }}
{{ [1, 2] | map('string') | last }}
{{ 5 | first }}
{{ 'abc' | reverse }} {{ [1, 2] | reverse | list }} {{ {'a': 1, 'b': 2} | reverse | list }} {{ [1, 2] | map('string') | reverse }}
{{ [1, 2] | reverse | length }}
{{ ([1, 2] | reverse)[0] }}|{{ ([1, 2] | map('string'))[0] }}|{{ ([1, 2] | map('string')) is sequence }} {{ ([1, 2] | map('string')) is iterable }}
{{ [1, 2] | length }} {{ 'é😀' | length }} {{ {'a': 1} | count }} {{ range(4) | length }} {{ missing | length }}
{{ [1] | map('string') | length }}
{{ 5 | length }}
{{ none | length }}
{{ {'a': 1} | items | list }} {{ missing | items | list }} {{ {'a': 1} | attr('a') }}| {{ 'abc' | list }} {{ {'a': 1}.items() | list }} {{ 5 | string + 'x' }} {{ [1, 'a'] | string }}
{{ [1] | items | list }}
{{ 'abcabc'.find('a', 1) }} {{ 'abcabc'.find('a', 1, 3) }} {{ 'abcabc'.rfind('a') }} {{ 'abcabc'.find('c', -2) }} {{ 'éabc'.find('b') }} {{ 'abc'.find('', 3) }} {{ 'abc'.find('', 4) }} {{ 'abc'.index('c') }} {{ 'abca'.rindex('a') }}
{{ 'abc'.index('z') }}
{{ 'abc'.find(sub='a') }}
{{ 'abcabc'.count('a', 1) }} {{ 'abcabc'.count('bc') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ 'abc'.count('', 1) }} {{ 'abc'.count('a', 0, 1) }} {{ [1, 2, 1].count(1) }} {{ (1, 2).index(2) }} {{ [1, 2, 1].index(1, 1) }}
{{ [1].index(2) }}
{{ 'abc'.startswith('b', 1) }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith('b', 0, 2) }} {{ 'abc'.startswith('') }} {{ 'abc'.startswith('', 4) }} {{ 'abc'.endswith(('c',)) }}
{{ 'abc'.startswith(['a']) }}
{{ 'abc'.startswith(prefix='a') }}
{{ 'a,b,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.split(sep=',', maxsplit=1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a  b c '.split() }} {{ ' a  b c '.split(none, 1) }} {{ ' a  b c '.rsplit(maxsplit=1) }} {{ 'abc'.split('x') }} {{ ''.split() }} {{ ''.split(',') }} {{ 'aXXbXXc'.rsplit('XX') }}
{{ 'a'.split('') }}
{{ 'a'.split(delimiter=',') }}
{{ 'a\nb\r\nc'.splitlines() }} {{ 'a\nb\n'.splitlines(true) }} {{ 'a\u2028b\x0bc'.splitlines(keepends=false) }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('x') }} {{ 'abc'.rpartition('x') }}
{{ 'xxaxx'.strip('x') }} {{ 'xxaxx'.lstrip('x') }} {{ 'xxaxx'.rstrip('x') }} {{ ' a '.strip() }}| {{ ' a '.strip(none) }}| {{ '\u00a0\u2003a\x1c'.strip() }}| {{ 'abcba'.strip('ab') }}
{{ 'a'.strip(chars='a') }}
{{ 'a'.strip(5) }}
{{ 'foobar'.removeprefix('foo') }} {{ 'foobar'.removesuffix('bar') }} {{ 'foobar'.removeprefix('x') }} {{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab'.replace('', '.', 2) }} {{ '-'.join(['a', 'b']) }} {{ '-'.join('abc') }} {{ ', '.join({'a': 1, 'b': 2}) }}
{{ '-'.join([1, 2]) }}
{{ 'a'.replace('a', 1) }}
{{ 'a'.replace(old='a', new='b') }}
{{ 'Ab1'.isalnum() }} {{ 'Ab'.isalpha() }} {{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ '½'.isnumeric() }} {{ 'ab'.islower() }} {{ 'a1'.islower() }} {{ 'AB'.isupper() }} {{ '1'.isupper() }} {{ 'Ab Cd'.istitle() }} {{ 'AB'.istitle() }} {{ ' \t'.isspace() }} {{ ''.isspace() }} {{ 'é'.isascii() }} {{ ''.isascii() }} {{ 'a\n'.isprintable() }}
{{ 'a'.isdigit(1) }}
{{ 'hello world'.title() }} {{ "they're bill's".title() }} {{ 'hELLO'.capitalize() }} {{ 'Hello'.swapcase() }} {{ 'straße'.casefold() }} {{ 'ab'.center(5) }}| {{ 'ab'.center(5, '*') }} {{ 'ab'.ljust(4) }}| {{ 'ab'.rjust(4, '.') }} {{ '-42'.zfill(6) }} {{ '42'.zfill(1) }} {{ 'a\tb'.expandtabs(4) }} {{ 'a\tb'.expandtabs(tabsize=2) }}
{{ 'ab'.center(5, '**') }}
{{ 'ab'.frobnicate() }}
{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1}.keys() }} {{ {'a': 1}.values() }} {{ {'a': 1}.items() }} {{ {'a': 1}.copy() }} {{ {'a': 1}.keys() | list }} {{ dict.fromkeys(['a', 'b'], 0) }} {{ dict.fromkeys('ab') }}
{{ {'a': 1}.get('b', default=2) }}
{{ {'a': 1}.get() }}
{{ {'a': 1}.pop('a') }}
{{ {'a': 1}.update({'b': 2}) }}
{{ [1].append(2) }}
{{ [1].copy() }} {{ [1, 2] == [1, 2].copy() }} {{ {'keys': 5}['keys'] }} {{ {'get': 5}.get('get') }} {{ ({'a': 1}.get)('a') }} {% set f = 'x,y'.split %}{{ f(',') }}
{{ 3 is odd }} {{ 3.0 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(num=4) }} {{ missing is defined }} {{ missing is undefined }} {{ none is none }} {{ 'a' is string }} {{ {} is mapping }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ '12' is lower }}
{{ [] is sequence }} {{ 'a' is sequence }} {{ {} is sequence }} {{ 5 is sequence }} {{ missing is sequence }} {{ range(2) is sequence }} {{ {}.keys() is sequence }} {{ [] is iterable }} {{ 5 is iterable }} {{ none is iterable }} {{ missing is iterable }} {{ {}.items() is iterable }} {{ 1 is sameas 1 }} {{ true is sameas true }} {{ 1 is sameas true }} {{ none is sameas(none) }} {{ [] is sameas [] }} {{ 1 is in [1] }} {{ 'a' is in 'abc' }} {{ 2 is in(seq=[1]) }} {{ 'upper' is filter }} {{ 'frob' is filter }} {{ 'odd' is test }} {{ 'x' is escaped }} {{ range is callable }} {{ 5 is callable }}
{{ 1 is eq 1 }} {{ 1 is equalto 2 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 1 is lessthan 2 }} {{ 1 is le 1 }} {{ 1 is gt 2 }} {{ 2 is greaterthan 1 }} {{ 1 is ge 2 }} {{ 1 is not eq 2 }} {{ 'a' is not string }}
{{ 1 is eq(b=1) }}
{{ 1 is odd(2) }}
{{ 'a' is odd }}
{{ 1 is frobnicated }}
{{ 1 is divisibleby }}
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(3) }} {{ range(1, 9, 2) }} {{ range(3)[1] }} {{ range(5)[1:3] | list }} {{ 2 in range(3) }}
{{ range(stop=3) }}
{{ range() }}
{{ range(1, 2, 0) | list }}
{{ dict(a=1, b='x') }} {{ dict({'a': 1}, b=2) }} {{ dict([('a', 1)]) }} {% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }} {% set kw = {'width': 1} %}{{ 'a\nb' | indent(**kw) }} {% set args = ['a', 'b'] %}{{ 'aa' | replace(*args) }}
{% set ns = namespace(_a=1) %}{{ ns._a }}
{% set ns = namespace() %}{% set ns._a = 1 %}
{% set x = 1 %}{% set x.y = 2 %}
{{ 1 + 2 * 3 - 4 // 3 % 5 }} {{ 7 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 5.5 // 2 }} {{ -5.5 % 2 }} {{ 1 + true }} {{ [1] * 2 }} {{ 2 * 'ab' }} {{ (1,) * 2 }} {{ [1] + [2] }} {{ (1,) + (2,) }} {{ 0x1F + 0b11 + 0o17 + 1_000 }} {{ 1.5e3 }} {{ -0.0 }} {{ 10 ** 20.0 }}
{{ 1 / 0 }}
{{ 'a' + 1 }}
{{ [1] + (1,) }}
{{ none + 1 }}
{{ missing + 1 }}
{{ {} + {} }}
{{ 1 < 2 < 3 }} {{ [1, 2] < [1, 3] }} {{ (1, 2) >= (1, 1) }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ 1 == true }} {{ [1] == (1,) }} {{ none == false }} {{ missing == missing2 }} {{ 'a' == none }} {{ {'a': 1} == {'a': 1.0} }} {{ [1, [2]] == [1, [2]] }} {{ 'a' in ['a'] }} {{ 'a' not in 'abc' }} {{ 1 in (1, 2) }} {{ 'k' in {'k': 0} }} {{ missing in [1] }} {{ 'a' in missing }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ missing > 1 }}
{{ 1 in 5 }}
{{ 1 in 'abc' }}
{{ 'abcdef'[1:4] }} {{ 'abcdef'[::-1] }} {{ [1, 2, 3][-2:] }} {{ (1, 2, 3)[:2] }} {{ 'abc'[5:] }}| {{ 'abc'[-1] }} {{ 'abc'[5] }}| {{ [1, 2][none:1] }} {{ [1, 2, 3, 4][1::2] }} {{ 'abc'[true] }} {{ none[1:] }}| {{ {'a': 1}[1:] }}| {{ 5['a'] }}| {{ none.x }}| {{ 'a'.x }}| {{ [1].x }}|
{{ [1][::0] }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing[1:] }}
{{ people[0].nothing.more }}
{{ people[0].name }} {{ people[0]['name'] }} {{ people.0.name }} {{ people[-1].tags[0] }} {{ people[9] }}| {{ people[0].home.city }} {{ people[2].home }}| {{ people[2].home is defined }} {{ people[2].home and people[2].home.city }}|
{{ 1 if false }}| {{ (1 if false) is defined }} {{ 'a' if true else missing.x }} {{ missing or 'b' }} {{ 'a' and 'b' }} {{ not missing }} {{ not 0 and 1 }} {{ none ~ 1 ~ true ~ 1.0 ~ [1] }} {{ 'a' 'b' }} {{ "q'\"" }} {{ '\x41\u00e9\U0001F600\101\q' }} {{ 1, 2 }} {{ () }} {{ (1) }} {{ [1, 2,] }} {{ {'a': 1,} }} {{ {} }}
{{ ["it's", 'say "x"', 'both \' "', 'a\nb\t\\', 'é\u200b\x00\x7f'] }} {{ [none, true, 1.0, 'a', (1,), {'k': [1]}] }} {{ 1e16 }} {{ 1e15 }} {{ 123456789012345680.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.1 + 2.2 }} {{ 100000.0 }} {{ 1e22 }} {{ [missing] }}
{{ -'a' }}
{{ 'x'() }}
{{ none() }}
{{ missing() }}
{{ people() }}
{{ raise_exception('no') }}
{{ raise_exception() }}
{{ raise_exception(text='no') }}
{% macro m(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }} {{ m(b=3, a=4) }} {{ m(1, 5) }} {{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}
{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, c=3) }} {% macro n(a, b=a) %}{{ b }}{% endmacro %}{{ n(7) }} {% macro o(x) %}{{ x + 1 }}{% endmacro %}{{ o(1) }}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %} {% for c in 'ab' %}{{ c }}{{ loop.index }}{% endfor %} {% for k in {'x': 1} %}{{ k }}{% endfor %} {% for x in missing %}x{% else %}none{% endfor %} {% for i in range(5) if i is odd %}{{ i }}{{ loop.last }}{% endfor %} {% for i in [1, 2, 3] %}{% if loop.first %}{% continue %}{% endif %}{{ i }}{% break %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for x in 5 %}{% endfor %}
{% for x in none %}{% endfor %}
{% for x in [1] %}{{ loop.nothing }}{% endfor %}|
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (c, d) = [3, 4] %}{{ c }}{{ d }} {% if true %}{% set e = 5 %}{% endif %}{{ e }} {% for i in [1] %}{% set g = 6 %}{% endfor %}{{ g }}| {% set h %}{{ a }}!{% endset %}{{ h }} {% set j | upper | replace('X', 'y') %}xz{% endset %}{{ j }}
{{ strftime_now('%Y') }} {{ strftime_now(format='%d/%m/%y %I:%M %p %A %a %b') }}
{{ strftime_now() }}
{{ strftime_now('%Y', utc=true) }}
{{ numbers | sort | join('<') }} {{ numbers | map('string') | join('.') }} {{ (numbers | max) - (numbers | min) }}
""".strip().splitlines()
