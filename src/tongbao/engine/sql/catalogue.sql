-- name: catalogue
-- What the current schema consists of, but for what belongs to an extension: what each thing is called, the table it is part of,
-- and how it is made. Names in the text are qualified only where they are not on the search path. `plpgsql` owns nothing of ours:
-- what was added to it is ours all the same.
with members as (
    select d.classid, d.objid from pg_depend d join pg_extension x on d.refclassid = 'pg_extension'::regclass and x.oid = d.refobjid
    where d.deptype = 'e' and x.extname <> 'plpgsql'
), ours as (
    select c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, c.relispartition, c.reloptions,
           c.relchecks, c.relhastriggers
    from pg_class c
    where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'f', 'v', 'm', 'S')
      and not exists (select from members d where d.classid = 'pg_class'::regclass and d.objid = c.oid)
)
select 'table' as kind, c.relname::text as name, c.relname::text as of_table,
       concat_ws(', ', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'f' then 'foreign table'
                                      when 'm' then 'materialized view' else 'sequence' end,
                 case when c.relpersistence <> 'p' then 'not logged' end,
                 case when c.relrowsecurity or c.relforcerowsecurity then 'row security' end,
                 case when c.relispartition or exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent))
                      then 'inherits or is inherited' end,
                 -- By these the server knows whether to look for any.
                 case when c.relchecks <> (select count(*) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c')
                      then 'checks that are passed over' end,
                 case when not c.relhastriggers and exists (select from pg_trigger t where t.tgrelid = c.oid)
                      then 'triggers that are passed over' end) as made
from ours c where c.relkind <> 'v'
union all
select 'view', c.relname, c.relname, concat_ws(' ', rtrim(pg_get_viewdef(c.oid, true), ';'), array_to_string(c.reloptions, ', '))
from ours c where c.relkind = 'v'
union all
select 'column', a.attname, c.relname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
                 case when a.attcollation not in (0, t.typcollation) then 'collate ' || a.attcollation::regcollation end,
                 case when a.attnotnull then 'not null' end, 'generated ' || nullif(a.attgenerated::text, ''),
                 'identity ' || nullif(a.attidentity::text, ''), 'default ' || pg_get_expr(d.adbin, d.adrelid, true))
from ours c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relkind in ('r', 'p', 'f')
union all
-- 18 and later keep not-null as a constraint too; the column says it.
select 'constraint', k.conname, c.relname,
       pg_get_constraintdef(k.oid, true)
       || case when k.contype not in ('p', 'u') or (i.indisunique and i.indisvalid and i.indisready and i.indislive) then ''
               else ' (not kept)' end
from ours c join pg_constraint k on k.conrelid = c.oid left join pg_index i on i.indexrelid = k.conindid where k.contype <> 'n'
union all
select 'index', n.relname, c.relname, pg_get_indexdef(i.indexrelid, 0, true) || case when i.indisvalid then '' else ' (invalid)' end
from ours c join pg_index i on i.indrelid = c.oid join pg_class n on n.oid = i.indexrelid
where not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.conrelid = c.oid)
union all
select 'trigger', t.tgname, c.relname,
       pg_get_triggerdef(t.oid, true)
       || case t.tgenabled when 'O' then '' when 'D' then ' (disabled)' when 'R' then ' (on replicas only)' else ' (always)' end
from ours c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
union all
select 'rule', r.rulename, c.relname, pg_get_ruledef(r.oid, true)
from ours c join pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'
union all
select 'policy', p.polname, c.relname, concat_ws(' ', p.polcmd, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
from ours c join pg_policy p on p.polrelid = c.oid
union all
select 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', null,
       concat_ws(E'\n', concat_ws(' ', '(' || pg_get_function_arguments(p.oid) || ') returns', pg_get_function_result(p.oid),
                                  'language', l.lanname, 'kind', p.prokind, 'volatile', p.provolatile, 'parallel', p.proparallel,
                                  case when p.prosecdef then 'security definer' end, case when p.proisstrict then 'strict' end,
                                  case when p.proleakproof then 'leakproof' end, array_to_string(p.proconfig, ', ')),
                 p.prosrc, pg_get_function_sqlbody(p.oid))
from pg_proc p join pg_language l on l.oid = p.prolang
where p.pronamespace = current_schema()::regnamespace
  and not exists (select from members d where d.classid = 'pg_proc'::regclass and d.objid = p.oid)
union all
select 'event trigger', e.evtname, null, concat_ws(' ', e.evtevent, e.evtenabled, e.evtfoid::regproc, array_to_string(e.evttags, ', '))
from pg_event_trigger e
where not exists (select from members d where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid)
union all
-- An operator or a cast that fits better than the usual one takes its place, in the text of a function too.
select 'operator', o.oid::regoperator::text, null, o.oprcode::regprocedure::text
from pg_operator o where o.oid >= 16384
  and not exists (select from members d where d.classid = 'pg_operator'::regclass and d.objid = o.oid)
union all
select 'cast', format_type(c.castsource, null) || ' as ' || format_type(c.casttarget, null), null,
       concat_ws(' ', c.castcontext, c.castmethod, nullif(c.castfunc, 0)::regprocedure)
from pg_cast c where c.oid >= 16384 and not exists (select from members d where d.classid = 'pg_cast'::regclass and d.objid = c.oid)
union all
-- Under another role than `origin` triggers do not fire.
select 'setting', 'session_replication_role', null, current_setting('session_replication_role');
